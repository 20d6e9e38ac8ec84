// Package packet reads the headers of one packet into a flow.
//
// It promises: no bytes make it panic or loop for ever; a packet costs no allocation. It knows neither
// sampling nor time: package sflow calls it for the packets that sFlow samples, package netflow for
// the sections of packets that IPFIX has in a record.
//
// Of headers one inside the other the innermost tells: VLANs, MPLS, PPPoE, IP in IP, GRE with PPTP's,
// EtherIP, VXLAN and Geneve are skipped. Where the bytes end within the inner header, the outer one tells.
package packet
