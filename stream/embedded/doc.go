// Package embedded runs Kafka and NATS inside the process, for one machine and
// for tests: no installation, one command. Both keep their data in a folder, and
// go on from it; what they acknowledge is on the disk, and what a crash cuts off
// is mended. They are for one machine: nothing is replicated, and the Kafka is
// franz-go's kfake, which speaks the protocol but is no Kafka.
//
// What is opened belongs to the caller, who closes it after all of its clients.
package embedded
