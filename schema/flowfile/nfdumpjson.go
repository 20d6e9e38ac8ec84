package flowfile

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// nfdump -o json prints an array of objects over several lines, -o json-log and
// ndjson one object a line. 1.6 calls the times t_first and t_last, later
// releases first and last. What nfdump leaves open in its CSV is open here, too.

func nfdumpJSONTable() table[nfdumpRow] {
	type row = nfdumpRow
	src := func(r *row) *schema.Side { return &r.Src }
	dst := func(r *row) *schema.Side { return &r.Dst }
	start := func(r *row) *schema.Time { return &r.Start }
	end := func(r *row) *schema.Time { return &r.End }
	return table[row]{
		{"first", false, into(start, parseTime)},
		{"last", false, into(end, parseTime)},
		{"t_first", false, into(start, parseUnpadded)},
		{"t_last", false, into(end, parseUnpadded)},
		{"in_packets", false, packetsOf(src)},
		{"in_bytes", false, bytesOf(src)},
		{"proto", false, into(func(r *row) *uint8 { return &r.Proto }, parseProto)},
		{"tcp_flags", false, flagsOf(src, parseFlags)},
		{"src_port", false, into(func(r *row) *[]byte { return &r.sport }, asText)},
		{"dst_port", false, into(func(r *row) *[]byte { return &r.dport }, asText)},
		{"icmp_type", false, into(func(r *row) *uint8 { return &r.ICMPType }, parseNumber[uint8])},
		{"icmp_code", false, into(func(r *row) *uint8 { return &r.ICMPCode }, parseNumber[uint8])},
		{"fwd_status", false, into(func(r *row) *uint8 { return &r.Forward }, parseNumber[uint8])},
		{"src_tos", false, into(func(r *row) *uint8 { return &r.TOS }, parseNumber[uint8])},
		{"src4_addr src6_addr", false, into(func(r *row) *netip.Addr { return &r.Src.Addr }, parseAddr)},
		{"dst4_addr dst6_addr", false, into(func(r *row) *netip.Addr { return &r.Dst.Addr }, parseAddr)},
		{"input_snmp", false, into(func(r *row) *uint32 { return &r.Src.Interface }, parseNumber[uint32])},
		{"output_snmp", false, into(func(r *row) *uint32 { return &r.Dst.Interface }, parseNumber[uint32])},
		{"src_mask", false, into(func(r *row) *uint8 { return &r.Src.Mask }, parseNumber[uint8])},
		{"dst_mask", false, into(func(r *row) *uint8 { return &r.Dst.Mask }, parseNumber[uint8])},
		{"ip_ttl", false, into(func(r *row) *uint8 { return &r.TTL }, parseNumber[uint8])},
		{"out_packets", false, packetsOf(dst)},
		{"out_bytes", false, bytesOf(dst)},
		{"src_vlan", false, into(func(r *row) *uint16 { return &r.Src.VLAN }, parseNumber[uint16])},
		{"dst_vlan", false, into(func(r *row) *uint16 { return &r.Dst.VLAN }, parseNumber[uint16])},
		{"src_as", false, into(func(r *row) *uint32 { return &r.Src.AS }, parseNumber[uint32])},
		{"dst_as", false, into(func(r *row) *uint32 { return &r.Dst.AS }, parseNumber[uint32])},
		{"ip4_router ip6_router", false, into(func(r *row) *netip.Addr { return &r.Exporter.Addr }, parseRouter)},
		{"event_id", false, into(func(r *row) *uint8 { return &r.Event }, parseNumber[uint8])},
	}
}

// parseUnpadded reads a date of nfdump 1.6, which prints milliseconds as a plain
// number: .5 is 5 ms.
func parseUnpadded(text []byte) (schema.Time, error) {
	if len(text) >= 21 && len(text) < 23 && text[19] == '.' {
		padded := append(append(make([]byte, 0, 23), text[:20]...), "00"[:23-len(text)]...)
		text = append(padded, text[20:]...)
	}
	return parseTime(text)
}

func nfdumpJSON() parser {
	keys := nfdumpJSONTable().keys()
	var row nfdumpRow
	return func(line []byte, f *schema.Flow) (lineKind, error) {
		*f = nothingTold()
		row = nfdumpRow{Flow: f}
		if err := keys.read(line, &row); err != nil {
			return aFlow, err
		}
		return aFlow, row.finish()
	}
}
