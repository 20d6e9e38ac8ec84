package flowfile

import (
	"bytes"
	"fmt"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Argus prints, with ra -c, -s for the columns and -Z b for flags, what CTU-13
// and others call binetflow. One line has both directions.
//
//   - Times are in the local time of who ran ra and are taken as UTC.
//   - What Dst sent is the rest of TotPkts and TotBytes. Where SrcPkts is
//     missing, packets are divided as the bytes are, and who sent bytes sent one.
//     Where SrcBytes is missing too, as in ra's default columns, State and Dir say
//     who sent anything: if both did, each is given a half.
//   - Dir says who began: -> Src, <- Dst (of TCP), with ? that Argus does not
//     know.
//   - State is both sides' flags (S_RA), or one word for what the connection
//     went through (REQ, CON, ...): then they are what must have been seen.
//   - The ports of ICMP are 0x0303 (code, type), or type and code each for itself.
//   - ARP, LLC and Argus' own records (man) are no flows of IP.

// argusRow is one line of it.
type argusRow struct {
	*schema.Flow
	src, dst, proto []byte
	sport, dport    []byte
	dir, state      []byte
	duration        time.Duration
	packets, bytes  uint64 // of both sides
}

func argusTable() table[argusRow] {
	type row = argusRow
	src := func(r *row) *schema.Side { return &r.Src }
	dst := func(r *row) *schema.Side { return &r.Dst }
	return table[row]{
		{"starttime stime", true, into(func(r *row) *schema.Time { return &r.Start }, parseTime)},
		{"lasttime ltime", false, into(func(r *row) *schema.Time { return &r.End }, parseTime)},
		{"dur", false, into(func(r *row) *time.Duration { return &r.duration }, parseSpan)},
		{"proto", true, into(func(r *row) *[]byte { return &r.proto }, asText)},
		{"srcaddr saddr", true, into(func(r *row) *[]byte { return &r.src }, asText)},
		{"sport", false, into(func(r *row) *[]byte { return &r.sport }, asText)},
		{"dir", false, into(func(r *row) *[]byte { return &r.dir }, asText)},
		{"dstaddr daddr", true, into(func(r *row) *[]byte { return &r.dst }, asText)},
		{"dport", false, into(func(r *row) *[]byte { return &r.dport }, asText)},
		{"state", false, into(func(r *row) *[]byte { return &r.state }, asText)},
		{"stos", false, into(func(r *row) *uint8 { return &r.TOS }, parseNumber[uint8])},
		{"sttl", false, into(func(r *row) *uint8 { return &r.TTL }, parseNumber[uint8])},
		{"totpkts pkts", false, into(func(r *row) *uint64 { return &r.packets }, parseCount)},
		{"totbytes bytes", false, into(func(r *row) *uint64 { return &r.bytes }, parseCount)},
		{"srcbytes sbytes", false, bytesOf(src)},
		{"dstbytes dbytes", false, bytesOf(dst)},
		{"srcpkts spkts", false, packetsOf(src)},
		{"dstpkts dpkts", false, packetsOf(dst)},
	}
}

// argusCommas are what ra -c is told to put between columns.
const argusCommas = ",\t;|"

func planArgus(t table[argusRow], line []byte) (p plan[argusRow], ok bool) {
	for _, comma := range []byte(argusCommas) {
		if bytes.IndexByte(line, comma) >= 0 {
			return t.plan(line, comma)
		}
	}
	return p, false
}

func isArgus(line []byte) bool {
	_, ok := planArgus(argusTable(), line)
	return ok
}

func readArgus(r *Reader, in *input, give func([]schema.Flow) bool) error {
	t := argusTable()
	var (
		p   plan[argusRow]
		row argusRow
	)
	return readLines(r, in, give, func(line []byte, f *schema.Flow) (lineKind, error) {
		if isName(line) {
			if next, ok := planArgus(t, line); ok {
				p = next
				return aHeader, nil
			}
		}
		*f = nothingTold()
		row = argusRow{Flow: f}
		if err := p.read(line, &row); err != nil {
			return aFlow, err
		}
		if !row.isIP() {
			return aNonIP, nil
		}
		return aFlow, row.finish()
	})
}

// isIP reports whether the line is about IP packets at all.
func (r *argusRow) isIP() bool {
	switch string(r.proto) {
	case "arp", "rarp", "man", "llc", "":
		return false
	}
	return bytes.Count(r.src, []byte(":")) != 5 || bytes.Contains(r.src, []byte("::")) || len(r.src) != len("00:00:00:00:00:00")
}

// finish sets what depends on more than one column.
func (r *argusRow) finish() (err error) {
	if r.Src.Addr, err = parseAddr(r.src); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if r.Dst.Addr, err = parseAddr(r.dst); err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	if r.Proto, err = parseProto(r.proto); err != nil {
		return err
	}
	if err := setPorts(r.Flow, r.sport, r.dport); err != nil {
		return err
	}
	towards, back, unsure := direction(r.dir)
	r.divide(towards, back)
	switch r.Proto {
	case schema.ICMP, schema.ICMPv6:
		r.ICMPType, r.ICMPCode = argusICMP(r.sport, r.dport)
	case schema.TCP:
		var known bool
		if r.Src.TCPFlags, r.Dst.TCPFlags, known = argusFlags(r.state, r.Src.Packets, r.Dst.Packets, unsure); known {
			r.Src.Untold &^= schema.UntoldFlags
			r.Dst.Untold &^= schema.UntoldFlags
		}
	}
	switch {
	case unsure:
	case towards:
		r.Initiator = schema.InitiatorSrc
	case back && r.Proto == schema.TCP:
		r.Initiator = schema.InitiatorDst
	}
	if r.End == 0 {
		r.End = r.Start.Add(r.duration)
	}
	return settle(r.Flow)
}

// direction reads ->, <-, <->, and those with ?, o or | in them; "who" is none.
func direction(dir []byte) (towards, back, unsure bool) {
	return bytes.HasSuffix(dir, []byte(">")), bytes.IndexByte(dir, '<') >= 0, bytes.IndexByte(dir, '?') >= 0
}
