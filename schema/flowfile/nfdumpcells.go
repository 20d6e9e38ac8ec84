package flowfile

import (
	"bytes"
	"net/netip"
)

// nfdumpHeadings are what the header calls columns whose names are of several
// words, or not what the format calls them. Of two that begin alike the longer
// stands first.
func nfdumpHeadings() [][2]string {
	return [][2]string{
		{"Date first seen (raw)", "tsr"}, {"Date first seen", "ts"}, {"Date flow start", "ts"}, {"First seen raw", "tsr"}, {"First seen GMT", "tsg"},
		{"Date last seen (raw)", "ter"}, {"Date last seen", "te"}, {"Date flow end", "te"}, {"Last seen raw", "ter"}, {"Last seen GMT", "teg"},
		{"Date flow received (raw)", "trr"}, {"Date flow received GMT", "trg"}, {"Date flow received", "tr"}, {"Received raw", "trr"}, {"Event time", "tevt"}, {"Event Time", "msec"},
		{"Duration", "td"}, {"Proto", "pr"}, {"Packets", "pkt"}, {"Bytes", "byt"}, {"Flows", "fl"}, {"Flags", "flg"}, {"Tos", "tos"}, {"STos", "stos"},
		{"Src IP Addr(..):Port", "gsap"}, {"Src IP Addr:Port", "sap"}, {"Src IP Addr(..)", "gsa"}, {"Src IP Addr", "sa"}, {"Src Pt", "sp"},
		{"Dst IP Addr(..):Port", "gdap"}, {"Dst IP Addr:Port", "dap"}, {"Dst IP Addr(..)", "gda"}, {"Dst IP Addr", "da"}, {"Dst Pt", "dp"},
		{"ICMP-T", "it"}, {"ICMP-C", "ic"}, {"In Pkt", "ipkt"}, {"Out Pkt", "opkt"}, {"In Byte", "ibyt"}, {"Out Byte", "obyt"},
		{"Input interface name", "inam"}, {"Output interface name", "onam"}, {"Input Payload", "ipl"}, {"Output Payload", "opl"},
		{"Input", "in"}, {"Output", "out"}, {"SMask", "smk"}, {"DMask", "dmk"}, {"SVlan", "svln"}, {"DVlan", "dvln"}, {"Fwd", "fwd"},
		{"Src Network", "sn"}, {"Dst Network", "dn"}, {"Src AS organisation", "sasn"}, {"Dst AS organisation", "dasn"}, {"Src AS", "sas"}, {"Dst AS", "das"},
		{"Next AS", "nas"}, {"Prev AS", "pas"}, {"BGP next-hop IP", "nhb"}, {"Next-hop IP", "nh"}, {"Router IP", "ra"}, {"Exp ID", "exp"},
		{"In src MAC Addr", "ismc"}, {"Out dst MAC Addr", "odmc"}, {"In dst MAC Addr", "idmc"}, {"Out src MAC Addr", "osmc"},
		{"C Latency", "cl"}, {"S latency", "sl"}, {"A latency", "al"},
		{"X-late Src IP", "xsa"}, {"X-late Dst IP", "xda"}, {"X-Src IP Addr:Port", "xsap"}, {"X-Dst IP Addr:Port", "xdap"},
		{"Ingress ACL", "iacl"}, {"Egress ACL", "eacl"}, {"nbar ID", "nbid"}, {"nbar name", "nbnam"},
	}
}

// nfdumpHeader returns the names of the columns of a header, nil if it is none.
func nfdumpHeader(line []byte) (names []string) {
	if !bytes.Contains(line, []byte("IP Addr")) {
		return nil
	}
	all := nfdumpHeadings()
	for {
		line = bytes.TrimLeft(line, betweenCells+"<->")
		if len(line) == 0 {
			break
		}
		name, end := "", bytes.IndexAny(line, betweenCells)
		if end < 0 {
			end = len(line)
		}
		for _, h := range all {
			if bytes.HasPrefix(line, []byte(h[0])) && (len(line) == len(h[0]) || bytes.IndexByte([]byte(betweenCells), line[len(h[0])]) >= 0) {
				name, end = h[1], len(h[0])
				break
			}
		}
		names, line = append(names, name), line[end:]
	}
	return names
}

// betweenCells is what people put between the columns of a fmt.
const betweenCells = " \t,;|"

// cells are the columns of a line of text.
type cells struct {
	all   [][]byte
	arrow bool // between the addresses
	both  bool // it points both ways
}

// cut cuts a line where marks stand, and at blanks.
func (c *cells) cut(line []byte) {
	c.all, c.arrow, c.both = c.all[:0], false, false
	end := bytes.IndexAny(line, betweenCells[1:])
	if end < 0 {
		c.words(line)
		return
	}
	for ; end >= 0; end = bytes.IndexAny(line, betweenCells[1:]) {
		c.part(line[:end])
		line = line[end+1:]
	}
	c.part(line)
}

// part appends the columns between two marks: one at least.
func (c *cells) part(text []byte) {
	before := len(c.all)
	if c.words(text); len(c.all) == before {
		c.all = append(c.all, nil)
	}
}

// without drops the empty column behind a mark at the end of a line, where a line
// has one column more than there are.
func (c *cells) without(more int) {
	if last := len(c.all) - 1; last == more && len(c.all[last]) == 0 {
		c.all = c.all[:last]
	}
}

// words appends the columns of a part between two marks.
func (c *cells) words(part []byte) {
	for {
		part = trimSpaces(part)
		if len(part) == 0 {
			return
		}
		end := bytes.IndexByte(part, ' ')
		if end < 0 {
			end = len(part)
		}
		switch word := part[:end]; string(word) {
		case "->", "<-":
			c.arrow = true
		case "<->":
			c.arrow, c.both = true, true
		default:
			end = valueEnd(part, end)
			c.all = append(c.all, part[:end])
		}
		part = part[end:]
	}
}

// valueEnd returns the end of a value whose first word ends at end: a date has a
// time of day behind it, days have hours, and a short count its unit.
func valueEnd(part []byte, end int) int {
	if end+1 >= len(part) {
		return end
	}
	word, rest := part[:end], part[end+1:]
	next := bytes.IndexByte(rest, ' ')
	if next < 0 {
		next = len(rest)
	}
	isClock := next >= len("15:04:05") && rest[2] == ':' && rest[5] == ':'
	switch {
	case len(word) == len("2006-01-02") && (word[4] == '-' || word[4] == '/') && isClock,
		word[end-1] == 'd' && isDigits(bytes.TrimLeft(word[:end-1], "-")) && bytes.Count(rest[:next], []byte(":")) == 2,
		next == 1 && bytes.IndexByte([]byte("KMGT"), rest[0]) >= 0 && isDigits(bytes.Replace(word, []byte("."), nil, 1)):
		return end + 1 + next
	}
	return end
}

func isDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

// cutPort reads an address and the port behind it: 198.51.100.7:22,
// 2001:db8::7.22, with a country 198.51.100.7(DE):22; of ICMP 198.51.100.7:8.0.
func cutPort(text []byte) (a netip.Addr, port []byte, err error) {
	mark := byte(':')
	if bytes.Count(text, []byte(":")) > 1 {
		mark = '.'
	}
	host := text
	if place := bytes.IndexByte(text, '('); place >= 0 {
		host = text[:place]
		text = append(host[:place:place], text[place+bytes.IndexByte(text[place:], ')')+1:]...)
	}
	at := bytes.IndexByte(text, mark)
	if short := bytes.Index(text, []byte("..")); short >= 0 && mark == '.' {
		if at = bytes.IndexByte(text[short+2:], mark); at >= 0 {
			at += short + 2
		}
	}
	if at >= 0 {
		host, port = text[:at], text[at+1:]
	}
	a, err = parseAddr(host)
	return a, port, err
}

// parsePlaced reads an address with a country behind it.
func parsePlaced(text []byte) (netip.Addr, error) {
	if place := bytes.IndexByte(text, '('); place >= 0 {
		text = trimSpaces(text[:place])
	}
	return parseAddr(text)
}
