package schema

import (
	"net/netip"
	"strconv"
)

// The JSON form of a flow is one object on one line, with goflow2's names and
// goflow2's way to write each value, so that its users and their jq are at home:
//
//	{"type":"NETFLOW_V9","time_received_ns":1789000000123456789,...,
//	 "src_addr":"198.51.100.7",...,"etype":"IPv4","proto":"TCP",...,"src_net":"198.51.100.0/24",...}
//
// Behind goflow2's names come ours, each only where it says something:
// reverse_bytes, reverse_packets, reverse_tcp_flags, flow_end_reason,
// firewall_event, firewall_event_reason, nat_event, initiator ("src" or "dst"), orientation,
// swapped, hints (a number, see Hints), src_untold and dst_untold (a number, see Untold),
// src_country and dst_country.

var initiatorNames = [...]string{InitiatorUnknown: "", InitiatorSrc: "src", InitiatorDst: "dst"}

// AppendJSON appends the JSON form of f to b, without a newline.
func AppendJSON(b []byte, f *Flow) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, f.Exporter.Type.String()...)
	b = appendInt(b, `","time_received_ns":`, int64(f.Received))
	b = appendUint(b, `,"sequence_num":`, uint64(f.Exporter.Sequence))
	b = appendUint(b, `,"sampling_rate":`, uint64(f.Exporter.Sampling))
	b = appendAddr(b, `,"sampler_address":"`, f.Exporter.Addr)
	b = appendInt(b, `,"time_flow_start_ns":`, int64(f.Start))
	b = appendInt(b, `,"time_flow_end_ns":`, int64(f.End))
	b = appendUint(b, `,"bytes":`, f.Src.Bytes)
	b = appendUint(b, `,"packets":`, f.Src.Packets)
	b = appendAddr(b, `,"src_addr":"`, f.Src.Addr)
	b = appendAddr(b, `,"dst_addr":"`, f.Dst.Addr)
	b = append(b, `,"etype":"`...)
	b = append(b, etherName(f.Src.Addr)...)
	b = append(b, `","proto":"`...)
	b = appendProto(b, f.Proto)
	b = appendUint(b, `","src_port":`, uint64(f.Src.Port))
	b = appendUint(b, `,"dst_port":`, uint64(f.Dst.Port))
	b = appendUint(b, `,"in_if":`, uint64(f.Src.Interface))
	b = appendUint(b, `,"out_if":`, uint64(f.Dst.Interface))
	b = appendUint(b, `,"src_vlan":`, uint64(f.Src.VLAN))
	b = appendUint(b, `,"dst_vlan":`, uint64(f.Dst.VLAN))
	b = appendUint(b, `,"ip_tos":`, uint64(f.TOS))
	b = appendUint(b, `,"forwarding_status":`, uint64(f.Forward))
	b = appendUint(b, `,"ip_ttl":`, uint64(f.TTL))
	b = appendUint(b, `,"tcp_flags":`, uint64(f.Src.TCPFlags))
	b = appendUint(b, `,"icmp_type":`, uint64(f.ICMPType))
	b = appendUint(b, `,"icmp_code":`, uint64(f.ICMPCode))
	b = appendUint(b, `,"src_as":`, uint64(f.Src.AS))
	b = appendUint(b, `,"dst_as":`, uint64(f.Dst.AS))
	b = appendNet(b, `,"src_net":`, &f.Src)
	b = appendNet(b, `,"dst_net":`, &f.Dst)
	b = appendUint(b, `,"observation_domain_id":`, uint64(f.Exporter.Domain))
	return append(appendOurs(b, f), '}')
}

// appendOurs appends what goflow2 has no name for.
func appendOurs(b []byte, f *Flow) []byte {
	b = appendSet(b, `,"reverse_bytes":`, f.Dst.Bytes)
	b = appendSet(b, `,"reverse_packets":`, f.Dst.Packets)
	b = appendSet(b, `,"reverse_tcp_flags":`, uint64(f.Dst.TCPFlags))
	b = appendSet(b, `,"flow_end_reason":`, uint64(f.EndReason))
	b = appendSet(b, `,"firewall_event":`, uint64(f.Event))
	b = appendSet(b, `,"firewall_event_reason":`, uint64(f.EventReason))
	b = appendSet(b, `,"nat_event":`, uint64(f.NATEvent))
	if f.Initiator != InitiatorUnknown && int(f.Initiator) < len(initiatorNames) {
		b = append(append(append(b, `,"initiator":"`...), initiatorNames[f.Initiator]...), '"')
	}
	if f.Orientation != OrientNone {
		b = append(append(append(b, `,"orientation":"`...), f.Orientation.String()...), '"')
	}
	if f.Swapped {
		b = append(b, `,"swapped":true`...)
	}
	b = appendSet(b, `,"hints":`, uint64(f.Hints))
	b = appendSet(b, `,"src_untold":`, uint64(f.Src.Untold&untoldBits))
	b = appendSet(b, `,"dst_untold":`, uint64(f.Dst.Untold&untoldBits))
	b = appendCountry(b, `,"src_country":"`, f.Src.Country)
	return appendCountry(b, `,"dst_country":"`, f.Dst.Country)
}

func appendCountry(b []byte, name string, c Country) []byte {
	if c == (Country{}) {
		return b
	}
	return append(append(append(b, name...), c[:]...), '"')
}

func appendUint(b []byte, name string, v uint64) []byte {
	return strconv.AppendUint(append(b, name...), v, 10)
}

func appendInt(b []byte, name string, v int64) []byte {
	return strconv.AppendInt(append(b, name...), v, 10)
}

// appendSet appends v unless it is zero.
func appendSet(b []byte, name string, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendUint(b, name, v)
}

// appendAddr appends name, which ends with a quote, the address and a quote.
// A zone is left out: it is a name of this machine and could hold any byte.
func appendAddr(b []byte, name string, a netip.Addr) []byte {
	b = append(b, name...)
	if a.IsValid() {
		b = a.WithZone("").AppendTo(b)
	}
	return append(b, '"')
}

// appendProto is append of ProtoName without a string made for a number.
func appendProto(b []byte, p uint8) []byte {
	if int(p) < len(protoNames) {
		return append(b, protoNames[p]...)
	}
	return strconv.AppendUint(b, uint64(p), 10)
}

// appendNet appends the prefix that holds the address of s, or the bare length
// where there is none: goflow2 writes "invalid Prefix" then.
func appendNet(b []byte, name string, s *Side) []byte {
	b = append(b, name...)
	p, err := s.Addr.WithZone("").Prefix(int(s.Mask))
	if err != nil || !p.IsValid() {
		return strconv.AppendUint(b, uint64(s.Mask), 10)
	}
	b = append(b, '"')
	return append(p.AppendTo(b), '"')
}

func etherName(a netip.Addr) string {
	switch etherType(a) {
	case etherIPv4:
		return "IPv4"
	case etherIPv6:
		return "IPv6"
	}
	return ""
}
