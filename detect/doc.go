// Package detect holds what is known of every source and says when one of them
// scans: flows in, alerts out.
//
// It is pure: no I/O, no clock, no goroutine, no lock. Event time comes with the
// flows. State and alerts follow from the order of the flows alone, so a replay says
// the same alerts with the same ids. A Detector belongs to one goroutine. The flows of
// a source share a Kafka partition, and so a Detector.
//
// # Words
//
// What is seen:
//
//	source    who started a flow: an address, or all of an IPv6 /64
//	target    what was touched: host, port and protocol
//	contact   one target of one source, in 9 bytes, however often it was touched
//	marks     what is known of a contact: protocol class, outcomes, whether it was reported
//	outcome   what one flow says of its contact: failed, refused, touched, answered...
//	evidence  strong stands alone (a lone SYN), faint takes many (a lone ACK, an RST);
//	          as a struct: what the flows of a track add up to, for the alert
//	guard     a named reason to keep a flow, or a crossing, silent
//
// When:
//
//	moment    event time, in every unit that somebody asks for
//	stamp     when a contact was touched, in units of 4 s, in 16 bits
//	pane      64 units: the grain of the sketches
//	window    how long a source is remembered, 48 h
//	horizon   a span over which a rule counts: 5 min, 1 h, 24 h, the window
//	tick      every 10 s of event time: what is due is done
//
// Where it is kept:
//
//	ledger    all sources and what they take
//	slot      one source in the table; its only contact lies in the slot itself
//	account   a source with more targets: the set of failed contacts, and of the others
//	set       contacts: all of them up to 896, beyond that a uniform sample by hash
//	slab      the memory that sets lie in
//	suspect   what is held beside an account that has a few failed contacts
//	beginning evidence of a source that is no suspect yet; it may make room for another
//	track     protocols with ports, ICMP requests, other protocols: each has rules of its own
//	sketch    distinct counts of a track beyond its sets, over the sliding window
//	footprint which ports and which addresses were touched, as maps
//	network   what is known beyond one source: outages, targets known as good, responders
//	slice     a part of the state in bytes; merging slices joins two states
//
// What is judged:
//
//	rule      vertical, horizontal, block, sweep, protocols, mixed: what is counted of a key
//	key       what a rule counts: one host, one port, or all of a track
//	threshold how many failed targets of a key cross within a horizon
//	crossing  a contact that made a rule fire
//	credit    how many more contacts a key needs before it is worth asking again
//	scan      one open alert; its scope says which keys it is about
//	life      what a scan counts by itself before the window loses any of it
//	revision  one message about a scan: open, update, close
//	reported  counted by an alert that has closed; such a contact does not count again
//	docket    the scans that are open, and when each is due
//
// # The way of one flow
//
// Before it comes here, ingest has turned it round where the exporter took the
// answering side for the source (package orient).
//
//	Detector.Observe    takes flows in groups and reads ahead for them     detector.go, prefetch.go
//	Detector.flow       asks the clock; a tick may be due; a copy of a     detector.go
//	                    session only asks whether a scanner got in         gotin.go
//	guardFlow           does it leave as no contact of two hosts?          guard.go
//	outcomeOf           what does it say?                                  outcome.go
//	Detector.count      makes a contact of it, unless a guard takes the    contact_path.go
//	                    failure away; a /64 counts it too                  net64.go
//	Detector.add        finds the source's account and updates the set     contact_path.go, account.go
//	Detector.examine    keeps evidence, tells the open scans, and asks     contact_path.go
//	                    the judge where there is no credit left            notbefore.go
//	ledger.begin        keeps the evidence of who is no suspect yet        beginnings.go
//	judge.ask           does a rule fire?                                  judge.go, shaped.go, sequential.go,
//	                    is there an excuse?                                sensitive.go, fanout.go, excused.go
//	Detector.cross      joins an open scan, goes on with a closed one,     contact_path.go, scan.go,
//	                    or opens one                                       resume.go
//	docket.say          measures the scan and appends a revision           report.go
//
// What an alert shows is made in report.go, sample.go, coverage.go, footprint.go,
// severity.go. Its life goes on in docket.go: updates, totals, the close. A session
// with a probed host is said at once (session.go, gotin.go), also after the close
// (closed.go, probed.go).
//
// # Memory
//
// The state is small and without pointers (table.go, account.go, set.go, slab.go), and
// stays within a budget (budget.go, doorkeeper.go). The bytes of the state stand beside
// what they are of: the drawing is on top of slice.go and of each *_wire.go; merge.go
// joins two states of a source.
package detect
