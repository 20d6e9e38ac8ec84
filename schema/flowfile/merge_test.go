package flowfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"github.com/scanhound/scanhound/schema"
)

// merged is the sequences of what Merged yields, and the errors.
func merged(r *Reader) (sequences []uint32, errs []error) {
	decode := func(flows []schema.Flow, from netip.AddrPort, received schema.Time, b []byte) []schema.Flow {
		return append(flows, schema.Flow{Exporter: schema.Exporter{Addr: from.Addr(), Sequence: binary.BigEndian.Uint32(b[16:])}, Received: received})
	}
	for batch, err := range r.Merged(decode) {
		for i := range batch {
			sequences = append(sequences, batch[i].Exporter.Sequence)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return sequences, errs
}

// captureAt is a pcap of datagrams that were recorded at these seconds, which are
// their sequences, too.
func captureAt(t testing.TB, seconds ...uint32) []byte {
	t.Helper()
	b := pcap(t, layers.LinkTypeEthernet)
	for _, s := range seconds {
		frame := ether(ipPacketOf(t, exporter4, collect4, v5(s)))
		header := make([]byte, 16)
		binary.LittleEndian.PutUint32(header, 1_700_000_000+s)
		binary.LittleEndian.PutUint32(header[8:], uint32(len(frame)))
		binary.LittleEndian.PutUint32(header[12:], uint32(len(frame)))
		b = append(append(b, header...), frame...)
	}
	return b
}

// linesAt is flows that began at these seconds.
func linesAt(seconds ...uint32) []byte {
	var b []byte
	for _, s := range seconds {
		at := schema.TimeOf(time.Unix(1_700_000_000+int64(s), 0))
		b = append(schema.AppendJSON(b, &schema.Flow{
			Exporter: schema.Exporter{Sequence: s}, Start: at, End: at, Received: at.Add(time.Hour), Proto: schema.TCP,
			Src: schema.Side{Addr: exporter4.Addr(), Packets: 1}, Dst: schema.Side{Addr: collect4.Addr(), Port: 22},
		}), '\n')
	}
	return b
}

func upTo(n uint32) (all []uint32) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func TestFilesOfTheSameHoursAreMergedByTime(t *testing.T) {
	var a, b, c []uint32
	for i := range uint32(900) {
		switch { // runs of one file, and changes at each
		case i < 300:
			a = append(a, i)
		case i%3 == 0, i > 800:
			b = append(b, i)
		case i%3 == 1:
			c = append(c, i)
		default:
			a = append(a, i)
		}
	}
	for name, files := range map[string][][]byte{
		"captures":           {captureAt(t, a...), captureAt(t, b...), captureAt(t, c...)},
		"lines":              {linesAt(a...), linesAt(b...), linesAt(c...)},
		"captures and lines": {captureAt(t, a...), linesAt(b...), gzipped(t, captureAt(t, c...))},
		"one after another":  {linesAt(upTo(900)[600:]...), captureAt(t, upTo(900)[:300]...), linesAt(upTo(900)[300:600]...)},
	} {
		var names []string
		for _, content := range files {
			names = append(names, file(t, content))
		}
		for range 2 {
			r := Open(names, nil)
			got, errs := merged(r)
			if diff := cmp.Diff(upTo(900), got); diff != "" || errs != nil {
				t.Errorf("%s: %v %.500s", name, errs, diff)
			}
			if s := r.Stats(); s.Files != 3 || s.Packets.Datagrams+s.Lines.Flows != 900 {
				t.Errorf("%s: %+v", name, s)
			}
			slices.Reverse(names)
		}
		r := Open([]string{names[0], "-", names[2]}, bytes.NewReader(files[1]))
		if got, errs := merged(r); !slices.Equal(got, upTo(900)) || errs != nil {
			t.Errorf("%s, one of them from standard input: %d flows, %v", name, len(got), errs)
		}
	}
}

func TestWhatIsOutOfOrderInAFileStaysWhereItIs(t *testing.T) {
	one, two := file(t, linesAt(0, 9, 1, 10, 2)), file(t, linesAt(3, 4, 11, 12))
	got, _ := merged(Open([]string{one, two}, nil))
	if want := []uint32{0, 3, 4, 9, 1, 10, 2, 11, 12}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAFileThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	whole := captureAt(t, 0, 2, 4, 6)
	cut := file(t, whole[:len(whole)-5])
	names := []string{"none", cut, file(t, linesAt(1, 3, 5)), file(t, nil), file(t, []byte("?"))}
	got, errs := merged(Open(names, nil))
	if want := upTo(6); !slices.Equal(got, want) || len(errs) != 3 || !strings.Contains(fmt.Sprint(errs), "is read in part, up to packet 4") {
		t.Errorf("%v, %v", got, errs)
	}
	r := Open(names, nil)
	for range r.Merged(decodeNothing) {
		break // the others are closed
	}
	if got, _ := merged(r); got != nil {
		t.Errorf("%v is read twice", got)
	}
}
