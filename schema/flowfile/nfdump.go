package flowfile

import (
	"bytes"
	"fmt"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// nfdump 1.6 and 1.7.1 print 48 columns under short names (ts, te, td, sa, ...),
// the times mostly in whole seconds; later releases of 1.7 print those that were
// asked for under long names (firstSeen, srcAddr, ...), and csv_fast has its own.
// Which of them a file has says its header, so all are one table.
//
//   - Times are printed in the local time of who ran nfdump and are taken as
//     UTC: TZ=UTC nfdump ... prints them so.
//   - Counts are kept as they are printed. Where exporters sampled, nfdump has
//     multiplied them already, and does not say by how much: Sampling stays 0.
//   - OUT counters (opkt, obyt) are what Dst sent. The flags of a line that has
//     them are those of the question (-b of 1.7.1) or those of the answer (1.7.1,
//     of IPFIX biflows), and the line does not say which: a host that refuses a
//     scan would look like the scanner. Only a SYN without ACK is kept: no answer
//     has that.
//   - dp of ICMP is 256*type+code, or "type.code". Where an exporter sends the
//     type in another element than the port, nfdump 1.7.1 prints 0.

// nfdumpRow is one line of nfdump's.
type nfdumpRow struct {
	*schema.Flow
	sport, dport []byte
	duration     []byte // 1.7.1 prints 18446744073709552.000 where te is before ts, and in text a negative one
}

func nfdumpTable() table[nfdumpRow] {
	type row = nfdumpRow
	src := func(r *row) *schema.Side { return &r.Src }
	dst := func(r *row) *schema.Side { return &r.Dst }
	return table[row]{
		{"ts firstseen", true, into(func(r *row) *schema.Time { return &r.Start }, parseTime)},
		{"te lastseen", false, into(func(r *row) *schema.Time { return &r.End }, parseTime)},
		{"td duration", false, into(func(r *row) *[]byte { return &r.duration }, asText)},
		{"sa srcaddr", true, into(func(r *row) *netip.Addr { return &r.Src.Addr }, parseAddr)},
		{"da dstaddr", true, into(func(r *row) *netip.Addr { return &r.Dst.Addr }, parseAddr)},
		{"sp srcport", true, into(func(r *row) *[]byte { return &r.sport }, asText)},
		{"dp dstport", true, into(func(r *row) *[]byte { return &r.dport }, asText)},
		{"pr proto", true, into(func(r *row) *uint8 { return &r.Proto }, parseProto)},
		{"flg flags", false, flagsOf(src, parseFlags)},
		{"ipkt pkt packets inpackets", false, packetsOf(src)},
		{"ibyt byt bytes inbytes", false, bytesOf(src)},
		{"opkt outpackets", false, packetsOf(dst)},
		{"obyt outbytes", false, bytesOf(dst)},
		{"fwd fwdstatus", false, into(func(r *row) *uint8 { return &r.Forward }, parseNumber[uint8])},
		{"stos tos srctos", false, into(func(r *row) *uint8 { return &r.TOS }, parseNumber[uint8])},
		{"in input", false, into(func(r *row) *uint32 { return &r.Src.Interface }, parseNumber[uint32])},
		{"out output", false, into(func(r *row) *uint32 { return &r.Dst.Interface }, parseNumber[uint32])},
		{"sas srcas", false, into(func(r *row) *uint32 { return &r.Src.AS }, parseNumber[uint32])},
		{"das dstas", false, into(func(r *row) *uint32 { return &r.Dst.AS }, parseNumber[uint32])},
		{"smk srcmask", false, into(func(r *row) *uint8 { return &r.Src.Mask }, parseNumber[uint8])},
		{"dmk dstmask", false, into(func(r *row) *uint8 { return &r.Dst.Mask }, parseNumber[uint8])},
		{"svln srcvlan", false, into(func(r *row) *uint16 { return &r.Src.VLAN }, parseNumber[uint16])},
		{"dvln dstvlan", false, into(func(r *row) *uint16 { return &r.Dst.VLAN }, parseNumber[uint16])},
		{"ra routerip", false, into(func(r *row) *netip.Addr { return &r.Exporter.Addr }, parseRouter)},
	}
}

// nfdumpQuiet are the columns of nfdump -q -o csv, which prints no header.
const nfdumpQuiet = "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,nhb,svln,dvln," +
	"ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr"

// isNfdump knows the header, or the first line where there is none.
func isNfdump(line []byte) bool {
	if isName(line) {
		_, ok := nfdumpTable().plan(line, ',')
		return ok
	}
	return isRow(nfdumpTable().mustPlan(nfdumpQuiet), nfdumpRow{Flow: new(schema.Flow)}, line)
}

// isRow reports whether a line is one of a plan, in a file without a header.
func isRow[R any](p plan[R], row R, line []byte) bool { return p.read(line, &row) == nil }

func readNfdump(r *Reader, in *input, give func([]schema.Flow) bool) error {
	t := nfdumpTable()
	n := nfdumpLines{table: t, plan: t.mustPlan(nfdumpQuiet)}
	return readLines(r, in, give, n.parse)
}

// nfdumpLines reads line after line; it knows what stands between the flows.
type nfdumpLines struct {
	table  table[nfdumpRow]
	plan   plan[nfdumpRow]
	row    nfdumpRow // kept, because a new one for each line would be an allocation
	totals bool      // the next line has them
}

func (n *nfdumpLines) parse(line []byte, f *schema.Flow) (lineKind, error) {
	if n.totals {
		n.totals = false
		return aHeader, nil
	}
	if isName(line) {
		if p, ok := n.table.plan(line, ','); ok { // files one behind the other
			n.plan = p
			return aHeader, nil
		}
		if isNfdumpRemark(line) {
			n.totals = bytes.HasPrefix(line, []byte("flows,bytes,packets,"))
			return aHeader, nil
		}
	}
	*f = nothingTold()
	n.row = nfdumpRow{Flow: f}
	if err := n.plan.read(line, &n.row); err != nil {
		return aFlow, err
	}
	return aFlow, n.row.finish()
}

// isNfdumpRemark knows what nfdump prints around the flows.
func isNfdumpRemark(line []byte) bool {
	for _, begin := range []string{
		"Summary", "flows,bytes,packets,", // csv
		"Date first seen", "Date flow start", // the header of fmt
		"Time window:", "Total flows processed:", "Sys:", // behind fmt
		"No matching flows", "No matched flows", "Aggregated flows", "Top ",
	} {
		if bytes.HasPrefix(line, []byte(begin)) {
			return true
		}
	}
	return false
}

// finish sets what depends on more than one column.
func (r *nfdumpRow) finish() error {
	if err := setPorts(r.Flow, r.sport, r.dport); err != nil {
		return err
	}
	if isICMP := r.Proto == schema.ICMP || r.Proto == schema.ICMPv6; isICMP && len(r.dport) > 0 {
		var err error
		if r.ICMPType, r.ICMPCode, err = parseICMP(r.dport); err != nil {
			return fmt.Errorf("destination port: %w", err)
		}
	} else if !isICMP {
		r.ICMPType, r.ICMPCode = 0, 0
	}
	if r.Dst.Packets != 0 && r.Src.TCPFlags&(schema.SYN|schema.ACK) != schema.SYN { // whose they are is not told
		r.Src.TCPFlags = 0
		r.Src.Untold |= schema.UntoldFlags
	}
	if r.Dst.Packets|r.Dst.Bytes == 0 { // it prints 0 where the record is of one direction, too
		r.Dst.Untold |= schema.UntoldSent
	}
	if r.End == 0 && r.Start != 0 && !bytes.HasPrefix(r.duration, []byte("-")) {
		duration, err := parseSpan(r.duration)
		if err != nil {
			return fmt.Errorf("duration: %w", err)
		}
		r.End = r.Start.Add(duration)
	}
	return settle(r.Flow)
}

// parseICMP reads "3.1" or 769: type 3, code 1.
func parseICMP(text []byte) (kind, code uint8, err error) {
	if whole, part, ok := bytes.Cut(text, []byte(".")); ok {
		kind, errKind := parseNumber[uint8](whole)
		code, errCode := parseNumber[uint8](part)
		if errKind != nil || errCode != nil {
			return 0, 0, &errValue{text, "an ICMP type and code"}
		}
		return kind, code, nil
	}
	n, err := parseNumber[uint16](text)
	if err != nil {
		return 0, 0, &errValue{text, "an ICMP type and code"}
	}
	return uint8(n >> 8), uint8(n), nil
}

// parseRouter reads the exporter's address; 0.0.0.0 is nfdump's word for none.
func parseRouter(text []byte) (netip.Addr, error) {
	a, err := parseAddr(text)
	if len(text) == 0 || err == nil && a.IsUnspecified() {
		return netip.Addr{}, nil
	}
	return a, err
}
