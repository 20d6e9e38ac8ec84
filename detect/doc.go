// Package detect holds what is known of every source and says when one of them
// scans: flows in, alerts out.
//
// It is pure: no I/O, no clock, no goroutine, no lock. Event time comes with
// the flows, and state and alerts are a function of the order of flows alone,
// so a replay says the same alerts with the same ids. A Detector belongs to one
// goroutine; a source's flows share a Kafka partition and so a Detector.
//
// The way of one flow: Orient turns it round where the exporter took the
// answering side for the source (orient.go, reverse.go; this happens in ingest,
// before the flow is partitioned by source). Then the clock admits it
// (clock.go), read says what the contact means (outcome.go) unless a guard
// keeps it silent (guard.go), the source's track remembers the contact
// (source.go, contacts.go, distinct.go), and the judge looks whether this
// contact crosses a threshold (rules.go, judge.go). What crosses becomes, or
// joins, a scan with a life of its own (scan.go), told as alerts (report.go).
package detect
