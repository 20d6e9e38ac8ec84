// Package detector is the program that finds scans: it reads flows from Kafka,
// keeps the window of every source, and writes alerts to Kafka. cmd/detector
// runs it alone, cmd/scanhound beside the other programs.
//
// Each partition has a worker with a detect.Detector of its own. Its state is
// written to Kafka in parts (checkpoint.go). Whoever is assigned the partition reads
// them, counts the flows since then again (restore.go), and says nothing twice. An
// offset is committed when all alerts of the flows below it are in Kafka.
package detector
