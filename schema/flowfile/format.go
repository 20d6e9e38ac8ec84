package flowfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// headSize is how much of a file is looked at to know what it is.
const headSize = 4 << 10

// format is a kind of file. Its reader calls give until that returns false,
// counts and reports what it skips, and returns an error only if the file as a
// whole is of no use.
type format struct {
	name string

	// One of the two.
	is     func(head []byte) bool // head may be any length up to headSize, and grows until one says yes
	begins func(line []byte) bool // asked once the first line that is not blank is there, without its end

	// One of the two.
	datagrams func(r *Reader, in *input, give func(Datagram) bool) error
	flows     func(r *Reader, in *input, give func([]schema.Flow) bool) error
}

const nfdumpText = "nfdump's text (-o line, long, extended, biline, bilong, fmt:...)"

// formats are the kinds of file that are read; the first that recognises wins.
// A new one stands above JSON, whose mark is a single byte.
func formats() []format {
	return []format{
		{name: "pcap", is: isPcap, datagrams: readPcap},
		{name: "pcapng", is: isPcapng, datagrams: readPcapng},
		{name: "one bare datagram (NetFlow v5, v9, IPFIX, sFlow v5)", is: isBare, datagrams: readBare},
		{name: "nfdump CSV (-o csv)", begins: isNfdump, flows: readNfdump},
		{name: nfdumpText, begins: isNfdumpFmt, flows: readNfdumpFmt},
		{name: "nfdump's numbers (-o pipe)", begins: isPipe, flows: readPipe},
		{name: "pmacct CSV", begins: isPmacctCSV, flows: readPmacctCSV},
		{name: "VAST 2013 CSV", begins: isVAST, flows: readVAST},
		{name: "Argus CSV (ra -c, binetflow)", begins: isArgus, flows: readArgus},
		{name: "Zeek conn.log", begins: isZeek, flows: readZeek},
		{name: "JSON objects, one a line or in an array (scanhound's, goflow2's, nfdump's, pmacct's, Suricata's flow events, Zeek's conn.log)", begins: isJSON, flows: readJSON},
	}
}

// recognise returns the format of a file, nil if it is empty. It looks at what
// is there before it waits for more, so that a slow pipe is read as it comes.
//
// A file that nothing else recognises is nfdump's text where its format was told.
func recognise(in *input, told bool) (*format, error) {
	all, asked := formats(), false
	for n := 1; ; {
		_, err := in.Peek(n)
		head, _ := in.Peek(min(in.Buffered(), headSize))
		var line []byte
		if !asked { // it stays the same while more of the file comes
			line = firstLine(head, err != nil || len(head) >= headSize)
			asked = line != nil
		}
		for _, f := range all {
			if f.is != nil && f.is(head) || f.begins != nil && line != nil && f.begins(line) {
				return &f, nil
			}
		}
		switch {
		case in.damaged():
			return nil, fmt.Errorf("read %s: %w", in.name, in.reason(err))
		case err == io.EOF && len(head) == 0:
			return nil, nil
		case told && asked:
			return &all[slices.IndexFunc(all, func(f format) bool { return f.name == nfdumpText })], nil
		case err != nil || len(head) >= headSize:
			return nil, refusal(in.name, head)
		}
		n = len(head) + 1
	}
}

// firstLine returns the first line that is not blank, nil while it is not all
// there; no more of it than head will come if last is set.
func firstLine(head []byte, last bool) []byte {
	head = bytes.TrimPrefix(head, byteOrderMark)
	for {
		line, rest, ended := bytes.Cut(head, []byte("\n"))
		switch {
		case !ended && !last:
			return nil
		case len(bytes.TrimSpace(line)) > 0:
			return withoutEnd(line)
		case !ended:
			return nil
		}
		head = rest
	}
}

// refusal says what a file is not, and what is read.
func refusal(name string, head []byte) error {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	msg := fmt.Sprintf("%s is no file that is read here: it begins with %q. ", name, head[:min(len(head), 16)])
	for _, o := range []struct{ magic, advice string }{
		{"\xfd7zXZ", "That is xz: unpack it first (xz -dc FILE, and - for standard input). "},
		{"\x04\x22\x4d\x18", "That is lz4: unpack it first (lz4 -dc FILE, and - for standard input). "},
		{"PK\x03\x04", "That is zip: unpack it first (unzip -p FILE, and - for standard input). "},
		{"\x0c\xa5", "That is nfdump's own format: print it with TZ=UTC nfdump -r FILE -o csv. "},
		{"\x83\x10", "That is Argus' own format: print it with ra -n -u -c ',' -r FILE. "},
		{"StartTime ", "That is Argus' text: print it with ra -n -u -c ','. "},
		{"Flow Record:", "That is nfdump's -o raw: print it with TZ=UTC nfdump -r FILE -o csv. "},
	} {
		if bytes.HasPrefix(head, []byte(o.magic)) || bytes.HasPrefix(bytes.TrimSpace(head), []byte(o.magic)) {
			msg += o.advice
		}
	}
	if line := firstLine(head, true); bytes.Contains(line, []byte("_IP ")) && bytes.HasSuffix(bytes.TrimSpace(line), []byte("BYTES")) {
		msg += "That is pmacct's text: let it print with print_output: csv or json. "
	}
	return errors.New(msg + "Read are " + strings.Join(names, ", ") + ", each also packed with gzip, zstd or bzip2; of nfdump's text without a header (nfdump -q) tell the --format")
}
