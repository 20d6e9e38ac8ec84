package flowfile

import (
	"bytes"
	"errors"
	"io"

	"github.com/scanhound/scanhound/schema"
)

// dialect is how one program writes a flow as a JSON object.
type dialect struct {
	marks  []string // one of them stands in every object of it, and in none of a dialect behind it
	parser func() parser
}

// dialects are told apart object by object, by the name of a key: what a shipper
// or a bus wrote into one file may come from several programs.
func dialects() []dialect {
	return []dialect{
		{[]string{`"src_addr"`}, ownJSON},
		{[]string{`"src4_addr"`, `"src6_addr"`, `"export_sysid"`}, nfdumpJSON},
		{[]string{`"ip_src"`, `"ip_dst"`, `"writer_id"`, `"stamp_inserted"`}, pmacctJSON},
		{[]string{`"event_type"`}, suricataJSON},
		{[]string{`"SrcAddr"`, `"DstAddr"`, `"SamplerAddress"`}, goflow1JSON},
		{[]string{`"id.orig_h"`, `"orig_h"`, `"_path"`}, zeekJSON},
		{[]string{`"saddr"`, `"daddr"`}, argusJSON},
		{[]string{``}, ownJSON},
	}
}

var errJSON = errors.New("is not a JSON object")

// isJSON knows an object, or an array of them, by its beginning.
func isJSON(line []byte) bool {
	line = bytes.TrimSpace(line)
	if rest, ok := bytes.CutPrefix(line, []byte("[")); ok {
		line = bytes.TrimSpace(rest)
		return len(line) == 0 || line[0] == '{' || line[0] == ']'
	}
	return bytes.HasPrefix(line, []byte("{"))
}

// readJSON reads one flow an object. Objects stand one on a line, so that a
// broken line costs only itself; or in an array, or over several lines.
func readJSON(r *Reader, in *input, give func([]schema.Flow) bool) error {
	m := mixedJSON{all: dialects()}
	m.parsers = make([]parser, len(m.all))
	head, err := in.Peek(1)
	for n := 1; err == nil && bytes.IndexByte(bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n"), '\n') < 0 && n < in.Size(); {
		n = max(n+1, min(in.Buffered(), in.Size()))
		head, err = in.Peek(n)
	}
	if err != nil && err != io.EOF && len(head) == 0 {
		return in.reason(err)
	}
	text := bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n")
	if bytes.HasPrefix(text, []byte("{")) && isOneLine(text) {
		return readLines(r, in, give, m.parse)
	}
	return readUnits(r, in, give, m.parse, newObjectSource(in.Reader).next, '}')
}

// mixedJSON parses each object in its dialect.
type mixedJSON struct {
	all     []dialect
	parsers []parser // of those that were met
	last    int
}

func (m *mixedJSON) parse(line []byte, f *schema.Flow) (lineKind, error) {
	if m.parsers[m.last] == nil || m.last == len(m.all)-1 || !m.all[m.last].speaks(line) {
		for m.last = 0; !m.all[m.last].speaks(line); m.last++ {
		}
	}
	if m.parsers[m.last] == nil {
		m.parsers[m.last] = m.all[m.last].parser()
	}
	return m.parsers[m.last](bytes.TrimSpace(line), f)
}

func (d *dialect) speaks(line []byte) bool {
	for _, mark := range d.marks {
		if bytes.Contains(line, []byte(mark)) {
			return true
		}
	}
	return false
}

// ownJSON reads what decode prints, and goflow2 from its release 2 on.
func ownJSON() parser {
	return func(line []byte, f *schema.Flow) (lineKind, error) {
		if err := schema.ParseJSON(line, f); err != nil {
			return aFlow, err
		}
		if !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() {
			return aFlow, errNoAddress
		}
		if bytes.Contains(line, []byte(`"next_hop"`)) { // goflow2's, which has nothing of the way back
			f.Dst.Untold |= schema.UntoldSent
		}
		return aFlow, nil
	}
}

// argusJSON refuses what ra -M json prints, of which each release has its own.
func argusJSON() parser {
	return func([]byte, *schema.Flow) (lineKind, error) {
		return aFlow, errors.New("is Argus' JSON: print it with ra -n -u -c ','")
	}
}

// zeekJSON reads conn.log where Zeek writes JSON. Some shippers put the other
// logs into the same file and say in _path which they are.
func zeekJSON() parser {
	keys := zeekTable().keys()
	var row zeekRow
	return func(line []byte, f *schema.Flow) (lineKind, error) {
		*f = nothingTold()
		row = zeekRow{Flow: f}
		if err := keys.read(line, &row); err != nil {
			return aFlow, err
		}
		switch {
		case len(row.path) > 0 && string(row.path) != "conn":
			return anEvent, nil
		case !row.isConn():
			return aFlow, errNotConn
		}
		return aFlow, row.finish()
	}
}

var errNotConn = errors.New("has none of conn_state, history, orig_pkts, orig_bytes: of Zeek's logs only conn is read")
