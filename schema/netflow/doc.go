// Package netflow turns the datagrams of flow exporters into flows: NetFlow v1, v5, v7 and v9, IPFIX,
// and, by package sflow, sFlow v5.
//
// It promises: each datagram gets exactly one [Outcome]; whatever was sent is in a flow, in a counter
// of [Stats], or waits for its template ([WaitingStats]), and these add up; no bytes make it panic, loop for
// ever or hold more memory than [Config] and the datagram allow; a record costs no allocation.
//
// A [Decoder] belongs to one goroutine. [Templates] is shared by all decoders: which of them a
// datagram reaches must not decide whether its template is known. Several processes share them
// by what [Templates.OnChange] tells and [Templates.Load] takes. The way through the files:
//
//	decoder  which version, header, sets       v5                     v1, v5, v7
//	announce templates of a set                field, element, plan   what their fields mean
//	believe  what is none of ours              untold                 what a template cannot say
//	data     records of a set                  walk, record, late     from a record to a flow
//	section  packets in a record               lists                  records in a record
//	option   options records                   sampling               the rates they give
//	view     what a decoder knows of templates templates              what is held, evicted, withdrawn
//	exporter the ports of an address           lend                   a template for another port's data
//	waiting  data before its template          change, load           templates from and for others
//	header   what a datagram says of itself    sequence, counting     what was lost on the way
//	notice   templates that change, or cannot be
//
// What the numbers of a flow mean does not depend on the exporter:
//
//   - Counts are as exported. The sampling rate stands beside them, never multiplied in.
//   - What the exporter calls the source is Src. What the reverse direction sent (RFC 5103,
//     responder counters, OUT counters beside IN counters in v9) is in Dst.
//   - Exporter.Addr is the datagram's own source: templates and sampling hang on it, so elements
//     130 and 131 and the agent of sFlow, which anybody can write, do not change it.
//   - A record of two headers, one inside the other, tells of the inner one: the last that is not zero.
//   - What the template has no element for is marked as Untold in its side: it is not zero.
//   - A firewall's event, or one of NAT, is a flow with what it counts: Event and NATEvent say which it is.
//   - The beginning of a packet is a flow of one packet, unless counters stand beside it.
//   - A time that the exporter did not send stays zero; [schema.Flow.EventTime] knows what to do.
package netflow
