package flowfile

import "github.com/scanhound/scanhound/schema"

// parseProto reads a protocol's number, or its name as IANA, nfdump, Argus or
// Zeek spell it. What is no name of a protocol is 0, as it is in schema's JSON:
// the flow passes, and has no ports.
func parseProto(text []byte) (uint8, error) {
	switch string(text) { // what nearly all lines have
	case "TCP", "tcp", "6":
		return schema.TCP, nil
	case "UDP", "udp", "17":
		return schema.UDP, nil
	case "ICMP", "icmp", "1":
		return schema.ICMP, nil
	}
	if n, ok := decimal(text); ok {
		if n > 255 {
			return 0, &errValue{text, "an IP protocol"}
		}
		return uint8(n), nil
	}
	if len(text) > maxProtoName {
		return 0, nil
	}
	var lower [maxProtoName]byte
	for i, c := range text {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	return protoByName(lower[:len(text)]), nil
}

const maxProtoName = 24

// protoByName knows the names that collectors have for what is really sent.
// For the rest it asks for IANA's.
func protoByName(lower []byte) uint8 {
	switch string(lower) {
	case "tcp":
		return schema.TCP
	case "udp",
		"rtp", "rtcp", "udt": // Argus names what it finds within UDP
		return schema.UDP
	case "icmp":
		return schema.ICMP
	case "icmp6", "icmpv6", "ipv6-icmp", "icmp-v6":
		return schema.ICMPv6
	case "sctp":
		return schema.SCTP
	case "dccp":
		return schema.DCCP
	case "udplite", "udpl", "udp-lite":
		return schema.UDPLite
	case "igmp":
		return 2
	case "ipip", "ipv4", "ipnip":
		return 4
	case "ipv6", "ip6":
		return 41
	case "rsvp":
		return 46
	case "gre":
		return 47
	case "esp":
		return 50
	case "ah":
		return 51
	case "ospf", "ospfigp":
		return 89
	case "pim":
		return 103
	case "vrrp":
		return 112
	case "l2tp":
		return 115
	}
	for p := range 256 {
		if sameLower(schema.ProtoName(uint8(p)), lower) {
			return uint8(p)
		}
	}
	return 0
}

// sameLower reports whether name is lower, which has no capitals.
func sameLower(name string, lower []byte) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range lower {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
