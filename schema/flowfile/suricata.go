package flowfile

import (
	"bytes"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// Suricata's eve.json has one event an object (doc.suricata.io, "Eve JSON
// Format", event types flow and netflow). Those of other types (alert, dns,
// stats, ...) are no flows, and are counted.
//
//   - flow has both directions; toserver is what Src sent, whose first packet
//     Suricata saw first: it says who began.
//   - netflow has one direction, and there is one of them for each side.
//   - tcp.tcp_flags_ts and _tc are each side's flags in hexadecimal. tcp_flags is
//     that of both together: without the others it is kept only where it is a SYN
//     without ACK, which no answer has. Of netflow it is this side's.

// suricataRow is one event.
type suricataRow struct {
	*schema.Flow
	event        []byte
	proto        []byte
	sport, dport []byte
	flags        uint16 // of both sides
	sides        bool   // each side's are there
}

func suricataTable() table[suricataRow] {
	type row = suricataRow
	src := func(r *row) *schema.Side { return &r.Src }
	dst := func(r *row) *schema.Side { return &r.Dst }
	flags := func(of func(*row) *schema.Side) func(*row, []byte) error {
		set := flagsOf(of, parseHexFlags)
		return func(r *row, text []byte) error { r.sides = true; return set(r, text) }
	}
	return table[row]{
		{"event_type", true, into(func(r *row) *[]byte { return &r.event }, asText)},
		{"src_ip", true, into(func(r *row) *netip.Addr { return &r.Src.Addr }, parseAddr)},
		{"src_port", false, into(func(r *row) *[]byte { return &r.sport }, asText)},
		{"dest_ip", true, into(func(r *row) *netip.Addr { return &r.Dst.Addr }, parseAddr)},
		{"dest_port", false, into(func(r *row) *[]byte { return &r.dport }, asText)},
		{"proto", true, into(func(r *row) *[]byte { return &r.proto }, asText)},
		{"vlan", false, into(func(r *row) *uint16 { return &r.Src.VLAN }, parseNumber[uint16])},
		{"icmp_type", false, into(func(r *row) *uint8 { return &r.ICMPType }, parseNumber[uint8])},
		{"icmp_code", false, into(func(r *row) *uint8 { return &r.ICMPCode }, parseNumber[uint8])},
		{"flow.pkts_toserver netflow.pkts", false, packetsOf(src)},
		{"flow.pkts_toclient", false, packetsOf(dst)},
		{"flow.bytes_toserver netflow.bytes", false, bytesOf(src)},
		{"flow.bytes_toclient", false, bytesOf(dst)},
		{"flow.start netflow.start", false, into(func(r *row) *schema.Time { return &r.Start }, parseTime)},
		{"flow.end netflow.end", false, into(func(r *row) *schema.Time { return &r.End }, parseTime)},
		{"netflow.min_ttl", false, into(func(r *row) *uint8 { return &r.TTL }, parseNumber[uint8])},
		{"tcp.tcp_flags", false, into(func(r *row) *uint16 { return &r.flags }, parseHexFlags)},
		{"tcp.tcp_flags_ts", false, flags(src)},
		{"tcp.tcp_flags_tc", false, flags(dst)},
		{"timestamp", false, into(func(r *row) *schema.Time { return &r.Received }, parseTime)},
	}
}

func suricataJSON() parser {
	keys := suricataTable().keys()
	var row suricataRow
	return func(line []byte, f *schema.Flow) (lineKind, error) {
		*f = nothingTold()
		row = suricataRow{Flow: f}
		err := keys.read(line, &row)
		switch string(row.event) {
		case "flow", "netflow":
			if err != nil {
				return aFlow, err
			}
			return aFlow, row.finish()
		case "":
			if err == nil {
				err = errNoAddress
			}
			return aFlow, err
		}
		return anEvent, nil // whatever else it holds
	}
}

// finish sets what depends on more than one key.
func (r *suricataRow) finish() (err error) {
	if r.Proto, err = parseProto(r.proto); err != nil {
		return err
	}
	if err := setPorts(r.Flow, r.sport, r.dport); err != nil {
		return err
	}
	oneWay := bytes.Equal(r.event, []byte("netflow"))
	switch {
	case r.Proto != schema.TCP:
		r.Src.TCPFlags, r.Dst.TCPFlags = 0, 0
	case r.flags != 0 && !r.sides && (oneWay || r.flags&(schema.SYN|schema.ACK) == schema.SYN):
		r.Src.TCPFlags = r.flags
		r.Src.Untold &^= schema.UntoldFlags
	}
	if r.Proto != schema.ICMP && r.Proto != schema.ICMPv6 {
		r.ICMPType, r.ICMPCode = 0, 0
	}
	if !oneWay {
		r.Initiator = schema.InitiatorSrc
	}
	if r.Start == 0 && r.End == 0 {
		r.End = r.Received // when it was written
	}
	return settle(r.Flow)
}

// parseHexFlags reads hexadecimal digits without a mark in front.
func parseHexFlags(text []byte) (uint16, error) {
	if len(text) > 4 {
		return 0, &errValue{text, "TCP flags"}
	}
	n := uint16(0)
	for _, c := range text {
		d, ok := hexDigit(c)
		if !ok {
			return 0, &errValue{text, "TCP flags"}
		}
		n = n<<4 | d
	}
	return n, nil
}
