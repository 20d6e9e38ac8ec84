// Package detector is the program that finds scans: it reads flows from Kafka,
// keeps the window of every source, and writes alerts to Kafka. cmd/detector
// runs it alone, cmd/scanhound beside the other programs.
//
// Each partition has a worker with a detect.Detector of its own. State is not
// stored: whoever is assigned a partition reads the window's flows again, says
// nothing below the committed offset, and goes on from there. An offset is
// committed when all alerts of the flows below it are in Kafka.
package detector
