package flowfile

import (
	"bytes"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// pmacct's programs (nfacctd, pmacctd, sfacctd) print one object a record, or one line of CSV, with
// those keys that were aggregated by (pmacct's CONFIG-KEYS, aggregate): a key
// that is missing was not looked at.
//
//   - A record is of one direction.
//   - Without timestamp_start it counts for the time bin into which it was put
//     (stamp_inserted).
//   - tcp_flags is a number, or with tcpflags_encode_as_array their names.
//   - purge_init and purge_close frame what is written at a time.

// pmacctRow is one object.
type pmacctRow struct {
	*schema.Flow
	event        []byte
	sport, dport []byte
	inserted     schema.Time
}

func pmacctTable() table[pmacctRow] {
	type row = pmacctRow
	src := func(r *row) *schema.Side { return &r.Src }
	return table[row]{
		{"event_type", false, into(func(r *row) *[]byte { return &r.event }, asText)},
		{"as_src src_as", false, into(func(r *row) *uint32 { return &r.Src.AS }, parseNumber[uint32])},
		{"as_dst dst_as", false, into(func(r *row) *uint32 { return &r.Dst.AS }, parseNumber[uint32])},
		{"peer_ip_src peer_src_ip", false, into(func(r *row) *netip.Addr { return &r.Exporter.Addr }, parseRouter)},
		{"iface_in in_iface", false, into(func(r *row) *uint32 { return &r.Src.Interface }, parseNumber[uint32])},
		{"iface_out out_iface", false, into(func(r *row) *uint32 { return &r.Dst.Interface }, parseNumber[uint32])},
		{"ip_src src_ip", true, into(func(r *row) *netip.Addr { return &r.Src.Addr }, parseAddr)},
		{"ip_dst dst_ip", true, into(func(r *row) *netip.Addr { return &r.Dst.Addr }, parseAddr)},
		{"mask_src src_mask", false, into(func(r *row) *uint8 { return &r.Src.Mask }, parseNumber[uint8])},
		{"mask_dst dst_mask", false, into(func(r *row) *uint8 { return &r.Dst.Mask }, parseNumber[uint8])},
		{"port_src src_port", false, into(func(r *row) *[]byte { return &r.sport }, asText)},
		{"port_dst dst_port", false, into(func(r *row) *[]byte { return &r.dport }, asText)},
		{"vlan vlan_in in_vlan", false, into(func(r *row) *uint16 { return &r.Src.VLAN }, parseNumber[uint16])},
		{"vlan_out out_vlan", false, into(func(r *row) *uint16 { return &r.Dst.VLAN }, parseNumber[uint16])},
		{"tcp_flags", false, addFlags},
		{"ip_proto protocol", false, into(func(r *row) *uint8 { return &r.Proto }, parseProto)},
		{"tos", false, into(func(r *row) *uint8 { return &r.TOS }, parseNumber[uint8])},
		{"sampling_rate", false, into(func(r *row) *uint32 { return &r.Exporter.Sampling }, parseNumber[uint32])},
		{"timestamp_start timestamp_min", false, into(func(r *row) *schema.Time { return &r.Start }, parseTime)},
		{"timestamp_end timestamp_max", false, into(func(r *row) *schema.Time { return &r.End }, parseTime)},
		{"timestamp_arrival", false, into(func(r *row) *schema.Time { return &r.Received }, parseTime)},
		{"stamp_inserted", false, into(func(r *row) *schema.Time { return &r.inserted }, parseTime)},
		{"packets", false, packetsOf(src)},
		{"bytes", false, bytesOf(src)},
	}
}

// addFlags reads a number, or one of the names in an array.
func addFlags(r *pmacctRow, text []byte) error {
	r.Src.Untold &^= schema.UntoldFlags
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if string(text) == name {
			r.Src.TCPFlags |= 1 << i
			return nil
		}
	}
	flags, err := parseFlags(text)
	r.Src.TCPFlags |= flags
	return err
}

func pmacctJSON() parser {
	keys := pmacctTable().keys()
	var row pmacctRow
	return func(line []byte, f *schema.Flow) (lineKind, error) {
		*f = nothingTold()
		row = pmacctRow{Flow: f}
		if err := keys.read(line, &row); err != nil {
			return aFlow, err
		}
		if bytes.HasPrefix(row.event, []byte("purge_")) {
			return aHeader, nil
		}
		return aFlow, row.finish()
	}
}

// isPmacctCSV knows the header of print_output: csv, whose names are others than those of JSON.
func isPmacctCSV(line []byte) bool {
	_, ok := pmacctTable().plan(line, ',')
	return ok && bytes.Equal(line, bytes.ToUpper(line))
}

func readPmacctCSV(r *Reader, in *input, give func([]schema.Flow) bool) error {
	t := pmacctTable()
	var (
		p   plan[pmacctRow]
		row pmacctRow
	)
	return readLines(r, in, give, func(line []byte, f *schema.Flow) (lineKind, error) {
		if isName(line) {
			if next, ok := t.plan(line, ','); ok { // at each purge, where it appends
				p = next
				return aHeader, nil
			}
		}
		*f = nothingTold()
		row = pmacctRow{Flow: f}
		if err := p.read(line, &row); err != nil {
			return aFlow, err
		}
		return aFlow, row.finish()
	})
}

// finish sets what depends on more than one key.
func (r *pmacctRow) finish() error {
	if err := setPorts(r.Flow, r.sport, r.dport); err != nil {
		return err
	}
	if r.Start == 0 && r.End == 0 {
		r.Start = r.Received
	}
	if r.Start == 0 && r.End == 0 {
		r.Start = r.inserted
	}
	return settle(r.Flow)
}
