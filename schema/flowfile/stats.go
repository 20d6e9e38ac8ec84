package flowfile

import "fmt"

// maxProblems is how many broken packets and lines are kept with their place:
// enough to see a pattern, few enough to print.
const maxProblems = 10

// Stats counts what was read. What enters comes out under exactly one name:
//
//	Packets.Read = Datagrams + NotIP + NotUDP + NotExport + Fragments + Truncated + UnknownLink + Broken
//	Lines.Read   = Flows + Blank + Header + NotIP + Events + Broken
type Stats struct {
	Files   uint64 // that were opened and recognised
	Empty   uint64 // of them, those without a byte
	Packets Packets
	Lines   Lines
}

// Packets counts the packets of captures; a bare datagram is one too.
type Packets struct {
	Read        uint64
	Datagrams   uint64 // handed on
	NotIP       uint64 // such as ARP
	NotUDP      uint64 // such as TCP
	NotExport   uint64 // the payload begins with no version that exporters write
	Fragments   uint64 // pieces of a datagram; the piece that completes it counts as the datagram
	Truncated   uint64 // cut by the snap length of the recording
	UnknownLink uint64 // of a link type that is not read
	Broken      uint64

	// Incomplete is the number of datagrams of which a fragment is missing. It
	// is no part of the sum: their pieces are among Fragments.
	Incomplete uint64
}

// Lines counts the lines of flow files, or the objects where these take several
// lines.
type Lines struct {
	Read   uint64
	Flows  uint64
	Blank  uint64
	Header uint64 // names of columns, comments, the totals at the end
	NotIP  uint64 // of a protocol beside IP, such as ARP, and of the recorder itself
	Events uint64 // of another kind than flows, such as Suricata's alerts
	Broken uint64
}

// Each calls f with every count and its name, in the order of reading.
func (s Stats) Each(f func(name string, v uint64)) {
	f("files", s.Files)
	f("files_empty", s.Empty)
	p := s.Packets
	f("packets", p.Read)
	f("datagrams", p.Datagrams)
	f("not_ip", p.NotIP)
	f("not_udp", p.NotUDP)
	f("not_export", p.NotExport)
	f("fragments", p.Fragments)
	f("truncated", p.Truncated)
	f("unknown_link", p.UnknownLink)
	f("broken_packets", p.Broken)
	f("incomplete_datagrams", p.Incomplete)
	l := s.Lines
	f("lines", l.Read)
	f("flows", l.Flows)
	f("blank_lines", l.Blank)
	f("header_lines", l.Header)
	f("not_ip_lines", l.NotIP)
	f("other_events", l.Events)
	f("broken_lines", l.Broken)
}

// Problem is one broken packet or line.
type Problem struct {
	File   string
	Unit   string // "packet" or "line"
	Number uint64 // from 1, as Wireshark and editors count
	Text   string // what is wrong with it
}

// String returns the problem as one line, beginning with its place.
func (p Problem) String() string {
	return fmt.Sprintf("%s: %s %d: %s", p.File, p.Unit, p.Number, p.Text)
}
