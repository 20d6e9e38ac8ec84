// Package netflow turns NetFlow v5, v9 and IPFIX datagrams into flows.
//
// It promises: each datagram gets exactly one [Outcome]; whatever was sent is either in a flow or
// in a counter of [Stats], and the two add up; no bytes make it panic, loop for ever or hold more
// memory than [Config] and the datagram allow; a record costs no allocation.
//
// A [Decoder] belongs to one goroutine. [Templates] is shared by all decoders: which of them a
// datagram reaches must not decide whether its template is known.
//
// What the numbers of a flow mean does not depend on the exporter:
//
//   - Counts are as exported. The sampling rate stands beside them, never multiplied in.
//   - What the exporter calls the source is Src. What the reverse direction sent (RFC 5103,
//     responder counters, OUT counters beside IN counters in v9) is in Dst.
//   - Exporter.Addr is the datagram's own source: templates and sampling hang on it, so elements
//     130 and 131, which anybody can write, do not change it.
//   - A record of two headers, one inside the other, tells of the inner one: the last that is not zero.
//   - A time that the exporter did not send stays zero; [schema.Flow.EventTime] knows what to do.
package netflow
