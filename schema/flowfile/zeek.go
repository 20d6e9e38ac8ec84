package flowfile

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Zeek's conn.log says of itself what its columns are, in lines that begin with
// #, and says it anew where rotated files stand one behind the other. One line
// has both directions: orig is Src, resp is Dst.
//
//   - Bytes are those of IP packets (orig_ip_bytes), or payload where a log has
//     only that (orig_bytes).
//   - Who is orig, Zeek has decided by the first packet, so it says who began:
//     InitiatorSrc. Where it turned the connection round against that (^ in
//     the history), it guessed, and the Initiator is left open.
//   - The ports of ICMP are type and code. Where a type has an answer of its own
//     (8 and 0, 135 and 136), Zeek writes that type instead of the code.

// zeekRow is one line of it.
type zeekRow struct {
	*schema.Flow
	sport, dport   []byte
	history, state []byte
	duration       time.Duration
	orig, resp     uint64 // payload bytes
	proto          uint8  // by number, where newer releases name no transport
	path           []byte // of the log, where JSON says it
}

func zeekTable() table[zeekRow] {
	type row = zeekRow
	src := func(r *row) *schema.Side { return &r.Src }
	dst := func(r *row) *schema.Side { return &r.Dst }
	return table[row]{ // in Zeek's order, which the JSON reader makes use of
		{"ts", true, into(func(r *row) *schema.Time { return &r.Start }, parseTime)},
		{"id.orig_h", true, into(func(r *row) *netip.Addr { return &r.Src.Addr }, parseAddr)},
		{"id.orig_p", true, into(func(r *row) *[]byte { return &r.sport }, asText)},
		{"id.resp_h", true, into(func(r *row) *netip.Addr { return &r.Dst.Addr }, parseAddr)},
		{"id.resp_p", true, into(func(r *row) *[]byte { return &r.dport }, asText)},
		{"proto", true, into(func(r *row) *uint8 { return &r.Proto }, parseProto)},
		{"duration", false, into(func(r *row) *time.Duration { return &r.duration }, parseSpan)},
		{"orig_bytes", false, telling(src, schema.UntoldBytes, into(func(r *row) *uint64 { return &r.orig }, parseNumber[uint64]))},
		{"resp_bytes", false, telling(dst, schema.UntoldBytes, into(func(r *row) *uint64 { return &r.resp }, parseNumber[uint64]))},
		{"conn_state", false, into(func(r *row) *[]byte { return &r.state }, asText)},
		{"history", false, into(func(r *row) *[]byte { return &r.history }, asText)},
		{"orig_pkts", false, packetsOf(src)},
		{"orig_ip_bytes", false, bytesOf(src)},
		{"resp_pkts", false, packetsOf(dst)},
		{"resp_ip_bytes", false, bytesOf(dst)},
		{"_path", false, into(func(r *row) *[]byte { return &r.path }, asText)},
		{"ip_proto", false, into(func(r *row) *uint8 { return &r.proto }, parseNumber[uint8])},
	}
}

func isZeek(line []byte) bool {
	for _, begin := range []string{"#separator ", "#set_separator", "#empty_field", "#unset_field", "#path", "#open", "#fields"} {
		if rest, ok := bytes.CutPrefix(line, []byte(begin)); ok && len(rest) > 0 {
			return true
		}
	}
	return false
}

func readZeek(r *Reader, in *input, give func([]schema.Flow) bool) error {
	z := zeekLines{table: zeekTable(), why: errNoFields}
	z.separate('\t')
	return readLines(r, in, give, z.parse)
}

var errNoFields = errors.New("stands before any #fields")

// zeekLines reads line after line, and learns from those that begin with #.
type zeekLines struct {
	table table[zeekRow]
	plan  plan[zeekRow]
	row   zeekRow
	comma byte
	unset string
	path  string
	why   error // for which no line can be read
}

func (z *zeekLines) separate(comma byte) { z.comma, z.unset, z.path = comma, "-", "" }

func (z *zeekLines) parse(line []byte, f *schema.Flow) (lineKind, error) {
	if line[0] == '#' {
		z.learn(line[1:])
		return aHeader, nil
	}
	if z.why != nil {
		return aFlow, z.why
	}
	*f = nothingTold()
	z.row = zeekRow{Flow: f}
	if err := z.plan.read(line, &z.row); err != nil {
		return aFlow, err
	}
	return aFlow, z.row.finish()
}

// learn reads a header line without its #.
func (z *zeekLines) learn(line []byte) {
	if mark, ok := bytes.CutPrefix(line, []byte("separator ")); ok { // the first of a log
		z.separate('\t')
		if c, _, _, err := strconv.UnquoteChar(string(mark), 0); err == nil && c < 0x80 {
			z.separate(byte(c))
		}
		return
	}
	if mark, ok := bytes.CutPrefix(line, []byte("fields")); ok && len(mark) > 0 && mark[0] != z.comma {
		z.comma = mark[0] // the first lines are not there
	}
	name, rest, _ := bytes.Cut(line, []byte{z.comma})
	switch string(name) {
	case "unset_field":
		z.unset = string(rest)
	case "path":
		z.path = string(rest)
	case "fields":
		var ok bool
		z.plan, ok = z.table.plan(rest, z.comma)
		z.plan.unset, z.why = z.unset, nil
		if !ok || z.path != "conn" && !hasConn(rest) {
			z.why = fmt.Errorf("is of Zeek's %.32q log; of those only conn is read", z.path)
		}
	}
}

// hasConn reports whether the names of columns have one that only conn.log has.
func hasConn(names []byte) bool {
	for _, name := range []string{"conn_state", "history", "orig_pkts", "orig_bytes", "orig_ip_bytes"} {
		if bytes.Contains(names, []byte(name)) {
			return true
		}
	}
	return false
}

// isConn reports whether a line has what only conn.log has.
func (r *zeekRow) isConn() bool {
	return r.state != nil || r.history != nil || r.Src.Untold&schema.UntoldSent != schema.UntoldSent
}

// finish sets what depends on more than one column.
func (r *zeekRow) finish() error {
	if r.Proto == 0 {
		r.Proto = r.proto
	}
	if r.Proto == schema.ICMP && r.Src.Addr.Is6() {
		r.Proto = schema.ICMPv6
	}
	if err := setPorts(r.Flow, r.sport, r.dport); err != nil {
		return err
	}
	switch r.Proto {
	case schema.ICMP, schema.ICMPv6:
		kind, errKind := parseNumber[uint8](r.sport)
		code, errCode := parseNumber[uint8](r.dport)
		if err := errors.Join(errKind, errCode); err != nil {
			return fmt.Errorf("type and code of ICMP: %w", err)
		}
		if isICMPAnswer(r.Proto, kind, code) {
			code = 0
		}
		r.ICMPType, r.ICMPCode = kind, code
	case schema.TCP:
		known := true
		if len(r.history) > 0 {
			r.Src.TCPFlags, r.Dst.TCPFlags = historyFlags(r.history)
		} else {
			r.Src.TCPFlags, r.Dst.TCPFlags, known = stateFlags(r.state)
		}
		if known {
			r.Src.Untold &^= schema.UntoldFlags
			r.Dst.Untold &^= schema.UntoldFlags
		}
	}
	if r.Src.Bytes == 0 {
		r.Src.Bytes = r.orig
	}
	if r.Dst.Bytes == 0 {
		r.Dst.Bytes = r.resp
	}
	if !bytes.Contains(r.history, []byte("^")) {
		r.Initiator = schema.InitiatorSrc
	}
	r.End = r.Start.Add(r.duration)
	return settle(r.Flow)
}

// isICMPAnswer reports whether two types of messages are one the answer of the
// other to Zeek (its ICMP4_counterpart and ICMP6_counterpart). They all have
// the code 0.
func isICMPAnswer(proto, kind, other uint8) bool {
	pair := [2]uint8{min(kind, other), max(kind, other)}
	if proto == schema.ICMP {
		switch pair {
		case [2]uint8{0, 8}, [2]uint8{9, 10}, [2]uint8{13, 14}, [2]uint8{15, 16}, [2]uint8{17, 18}:
			return true
		}
		return false
	}
	switch pair {
	case [2]uint8{128, 129}, [2]uint8{130, 131}, [2]uint8{133, 134}, [2]uint8{135, 136}, [2]uint8{139, 140}, [2]uint8{144, 145}:
		return true
	}
	return false
}
