package flowfile

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// goflow and goflow2 before its release 2 write the names of the protobuf
// message with capitals (SrcAddr, TimeFlowStart), times in seconds and, in later
// releases of 1, beside them in milliseconds or nanoseconds. A record is of one
// direction.

// goflow1Row is one object.
type goflow1Row struct {
	*schema.Flow
	sport, dport []byte
}

func goflow1Table() table[goflow1Row] {
	type row = goflow1Row
	src := func(r *row) *schema.Side { return &r.Src }
	finer := func(at func(*row) *schema.Time, unit time.Duration) func(*row, []byte) error {
		return func(r *row, text []byte) error {
			n, err := parseNumber[uint64](text)
			if t := schema.Time(n) * schema.Time(unit); err == nil && n < uint64(1<<63-1)/uint64(unit) && t > *at(r) {
				*at(r) = t // the finest is the latest
			}
			return err
		}
	}
	start := func(r *row) *schema.Time { return &r.Start }
	end := func(r *row) *schema.Time { return &r.End }
	received := func(r *row) *schema.Time { return &r.Received }
	return table[row]{
		{"Type", false, func(r *row, text []byte) error { r.Exporter.Type = schema.ParseFlowType(string(text)); return nil }},
		{"TimeReceived", false, finer(received, time.Second)},
		{"TimeReceivedNs", false, finer(received, 1)},
		{"SequenceNum", false, into(func(r *row) *uint32 { return &r.Exporter.Sequence }, parseNumber[uint32])},
		{"SamplingRate", false, into(func(r *row) *uint32 { return &r.Exporter.Sampling }, parseNumber[uint32])},
		{"SamplerAddress", false, into(func(r *row) *netip.Addr { return &r.Exporter.Addr }, parseRouter)},
		{"TimeFlowStart", false, finer(start, time.Second)},
		{"TimeFlowEnd", false, finer(end, time.Second)},
		{"TimeFlowStartMs", false, finer(start, time.Millisecond)},
		{"TimeFlowEndMs", false, finer(end, time.Millisecond)},
		{"TimeFlowStartNs", false, finer(start, 1)},
		{"TimeFlowEndNs", false, finer(end, 1)},
		{"Bytes", false, bytesOf(src)},
		{"Packets", false, packetsOf(src)},
		{"SrcAddr", true, into(func(r *row) *netip.Addr { return &r.Src.Addr }, parseAddr)},
		{"DstAddr", true, into(func(r *row) *netip.Addr { return &r.Dst.Addr }, parseAddr)},
		{"Proto", true, into(func(r *row) *uint8 { return &r.Proto }, parseProto)},
		{"SrcPort", false, into(func(r *row) *[]byte { return &r.sport }, asText)},
		{"DstPort", false, into(func(r *row) *[]byte { return &r.dport }, asText)},
		{"InIf", false, into(func(r *row) *uint32 { return &r.Src.Interface }, parseNumber[uint32])},
		{"OutIf", false, into(func(r *row) *uint32 { return &r.Dst.Interface }, parseNumber[uint32])},
		{"SrcVlan", false, into(func(r *row) *uint16 { return &r.Src.VLAN }, parseNumber[uint16])},
		{"DstVlan", false, into(func(r *row) *uint16 { return &r.Dst.VLAN }, parseNumber[uint16])},
		{"IPTos", false, into(func(r *row) *uint8 { return &r.TOS }, parseNumber[uint8])},
		{"ForwardingStatus", false, into(func(r *row) *uint8 { return &r.Forward }, parseNumber[uint8])},
		{"IPTTL", false, into(func(r *row) *uint8 { return &r.TTL }, parseNumber[uint8])},
		{"TCPFlags", false, flagsOf(src, parseNumber[uint16])},
		{"IcmpType", false, into(func(r *row) *uint8 { return &r.ICMPType }, parseNumber[uint8])},
		{"IcmpCode", false, into(func(r *row) *uint8 { return &r.ICMPCode }, parseNumber[uint8])},
		{"SrcAS", false, into(func(r *row) *uint32 { return &r.Src.AS }, parseNumber[uint32])},
		{"DstAS", false, into(func(r *row) *uint32 { return &r.Dst.AS }, parseNumber[uint32])},
		{"SrcNet", false, into(func(r *row) *uint8 { return &r.Src.Mask }, parseNumber[uint8])},
		{"DstNet", false, into(func(r *row) *uint8 { return &r.Dst.Mask }, parseNumber[uint8])},
	}
}

func goflow1JSON() parser {
	keys := goflow1Table().keys()
	var row goflow1Row
	return func(line []byte, f *schema.Flow) (lineKind, error) {
		*f = nothingTold()
		row = goflow1Row{Flow: f}
		if err := keys.read(line, &row); err != nil {
			return aFlow, err
		}
		return aFlow, row.finish()
	}
}

// finish sets what depends on more than one key.
func (r *goflow1Row) finish() error {
	if err := setPorts(r.Flow, r.sport, r.dport); err != nil {
		return err
	}
	if r.Proto != schema.ICMP && r.Proto != schema.ICMPv6 {
		r.ICMPType, r.ICMPCode = 0, 0
	}
	received := r.Received // this program says it
	if err := settle(r.Flow); err != nil {
		return err
	}
	if received != 0 {
		r.Received = received
	}
	return nil
}
