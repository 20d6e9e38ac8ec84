// Package ingest is the program that turns datagrams into flows on Kafka: it
// receives, decodes, orients, partitions by source, and counts what it could
// not use. cmd/ingest runs it alone, cmd/scanhound beside the other programs.
//
// It reads the alerts topic to copy what is opened to an alerted source to that
// source's partition.
//
// Each socket's worker owns a decoder, an orientation table and a batcher;
// templates and the Kafka client are shared.
package ingest
