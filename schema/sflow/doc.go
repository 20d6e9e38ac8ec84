// Package sflow turns the packets sampled in sFlow v5 datagrams into flows of one packet.
//
// It promises: what was sampled is either in a flow or in a counter of [Stats], and the two add up;
// no bytes make it panic or loop for ever; a sample costs no allocation. It keeps no state:
// package netflow calls it for the datagrams that are sFlow, and owns what they have in common.
//
// What the numbers mean:
//
//   - A flow is one packet: Packets is 1, Bytes the length of its frame, Sampling the rate beside it.
//   - The headers are read by package packet: of one inside the other the innermost tells.
//   - sFlow has no time of day: a packet happened when its datagram was received.
//   - A packet that the exporter dropped has Forward 128, dropped for no stated reason.
package sflow
