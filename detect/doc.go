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
// keeps it silent (guard.go, exception.go), the source, and of IPv6 its /64
// (net64.go), remembers the contact (count.go, record.go; warm.go reads ahead),
// and the judge looks whether it crosses a threshold (rules.go, judge.go,
// shape.go, sequential.go, outage.go), unless it is too soon to ask (credit.go). What crosses becomes, or joins, a scan
// (scan.go) with a life of its own (life.go), told as alerts (report.go,
// outline.go, estimate.go, severity.go) with what an analyst looks at next (sample.go, follow.go,
// footprint.go, coverage.go). A session with a probed target is told of
// at once (session.go; one that the target opens back comes as a copy: alerted.go,
// gotin.go), after the close by the alert that had closed (past.go, probed.go).
//
// What the guards know beyond one source lies in fixed tables in which one entry
// takes another's place: outage.go, good.go (who was good for whom), answering.go,
// and in ingest callback.go.
//
// State is laid out to be small and without pointers: a table of 24-byte slots
// (table.go), in which a source with one target lies whole; a record for those
// with more (record.go), whose contacts take 9 bytes each (entry.go, stamp.go)
// in blocks of a slab (set.go, slab.go); and beside a source that has a few
// failed targets, what its alerts need (suspect.go, evidence.go, pace.go,
// sketches.go, distinct.go, numbers.go).
// memory.go keeps all of it within a budget, with a doorkeeper (doorkeeper.go).
//
// It can be taken out and put back in slices, and two states be joined: slice.go
// draws the bytes, slice_*.go name the fields, merge*.go unite.
package detect
