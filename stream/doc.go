// Package stream is how flows and alerts move between scanhound's programs, and
// how they survive: UDP sockets, Kafka topics, a NATS stream.
//
// The way of one flow: a UDP worker hands datagrams to a Handler (udp.go), which
// decodes them and adds the flows to its FlowBatcher (batcher.go); the
// FlowProducer writes the batches to the flows topic (flows.go). A Consumer
// (consumer.go) runs a Worker for each partition that it is assigned
// (partition.go); the detector's Worker hands its alerts to an AlertProducer
// (alerts.go) and its state to a StateStore (state.go), the alerter's to a Publisher
// (publisher.go).
//
// It promises that a source's flows stay in order and in one partition; that an
// offset is committed only when its Worker has said that everything below it is
// durable; that a partition is let go only after that; and that what enters is
// delivered or counted as lost.
//
// Each type says who owns it. What has a Run starts goroutines only there, and
// returns when all of them have ended; what is opened is closed by its opener.
package stream
