package flowfile

import (
	"fmt"
	"io"
	"iter"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// Datagram is what an exporter sent in one UDP packet.
//
// From a capture it has the packet's addresses and the time of its recording.
// From a bare file nothing says who sent it: From and To are 0.0.0.0:0, the
// same for all such files, so that they are one exporter's and a template in
// the first serves the next. Received is then the export time that stands in
// the datagram, so that every replay gives the same; where it says none (sFlow,
// a clock that was never set) it is the time at which the file was changed, or
// 0 on standard input.
type Datagram struct {
	From     netip.AddrPort
	To       netip.AddrPort
	Received schema.Time
	Payload  []byte // valid until the next
}

// Decode appends the flows of a datagram to flows; what it cannot read it
// counts itself.
type Decode func(flows []schema.Flow, from netip.AddrPort, received schema.Time, datagram []byte) []schema.Flow

// Reader reads files one after the other, in the order in which they were
// named, or merged by time. It reads them once: range over one of Datagrams, Flows
// and Merged.
type Reader struct {
	names     []string // still to be read
	stdin     io.Reader
	format    string // of nfdump's text without a header, empty if it is not told
	stats     Stats
	broken    []Problem
	fragments fragments
	flows     []schema.Flow
}

// Open returns a Reader of the named files; each is opened when its turn comes.
// The name "-" is stdin.
func Open(names []string, stdin io.Reader) *Reader {
	return &Reader{names: append([]string(nil), names...), stdin: stdin}
}

// Format tells of what nfdump's text consists where no header says it (nfdump -q):
// the words that nfdump was given behind -o, such as long, or 'fmt:%ts %sap -> %dap'.
func (r *Reader) Format(words string) error {
	if _, err := planOf(nfdumpFmtTable(), words); err != nil {
		return err
	}
	r.format = words
	return nil
}

// Datagrams yields the datagrams of all files. A file that holds flows is an
// error here: there is no way back from a flow to what the exporter sent.
//
// An error is about one file: who ranges on gets the next file.
func (r *Reader) Datagrams() iter.Seq2[Datagram, error] {
	return func(yield func(Datagram, error) bool) {
		stopped := false
		give := func(d Datagram) bool {
			stopped = !yield(d, nil)
			return !stopped
		}
		for !stopped {
			more, err := r.next(func(f *format, in *input) error {
				if f.datagrams == nil {
					return fmt.Errorf("%s holds flows (%s), not datagrams: name captures (pcap, pcapng) or files of one datagram each", in.name, f.name)
				}
				return f.datagrams(r, in, give)
			})
			if !more || stopped || err != nil && !yield(Datagram{}, err) {
				return
			}
		}
	}
}

// Flows yields the flows of all files in batches, none of them empty: those of
// a datagram together, those of lines as they come. A batch is valid until the
// next. Captures and datagrams are read with decode.
//
// An error is about one file: who ranges on gets the next file.
func (r *Reader) Flows(decode Decode) iter.Seq2[[]schema.Flow, error] {
	return func(yield func([]schema.Flow, error) bool) {
		stopped := false
		give := func(flows []schema.Flow) bool {
			stopped = len(flows) > 0 && !yield(flows, nil)
			return !stopped
		}
		giveDecoded := func(d Datagram) bool {
			r.flows = decode(r.flows[:0], d.From, d.Received, d.Payload)
			return give(r.flows)
		}
		for !stopped {
			more, err := r.next(func(f *format, in *input) error {
				if f.datagrams != nil {
					return f.datagrams(r, in, giveDecoded)
				}
				return f.flows(r, in, give)
			})
			if !more || stopped || err != nil && !yield(nil, err) {
				return
			}
		}
	}
}

// next opens the next file and reads it with read; more is false behind the last.
func (r *Reader) next(read func(*format, *input) error) (more bool, err error) {
	if len(r.names) == 0 {
		return false, nil
	}
	name := r.names[0]
	r.names = r.names[1:]
	return true, r.read(name, read)
}

// read reads one file.
func (r *Reader) read(name string, read func(*format, *input) error) error {
	in, err := open(name, r.stdin)
	if err != nil {
		return err
	}
	defer in.close()
	f, err := recognise(in, r.format != "")
	switch {
	case err != nil:
		return err
	case f == nil:
		r.stats.Files++
		r.stats.Empty++
		return nil
	}
	r.stats.Files++
	err = read(f, in)
	if failed := in.disk.err; failed != nil { // then what the format's reader says only follows from it
		return fmt.Errorf("read %s: %w", in.name, failed)
	}
	return err
}

// Stats returns what was read until now.
func (r *Reader) Stats() Stats {
	s := r.stats
	s.Packets.Incomplete = r.fragments.lost + uint64(len(r.fragments.pending))
	return s
}

// Broken returns the first broken packets and lines, at most 10.
func (r *Reader) Broken() []Problem { return r.broken }

func (r *Reader) report(p Problem) {
	if len(r.broken) < maxProblems {
		r.broken = append(r.broken, p)
	}
}
