package wire_test

import (
	"bytes"
	"math"
	"net/netip"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// everything has a field of each kind.
type everything struct {
	A     uint8
	B     uint16
	C     uint32
	D     uint64
	Num   uint32
	Int   int64
	Small int
	Seen  uint32
	Since uint32
	X, Y  bool
	Text  string
	Addr  netip.Addr
	List  []uint16
	Raw   [3]byte
}

const now = 1_000_000

func (e *everything) wire(w *wire.Wire) {
	w.U8(&e.A)
	w.U16(&e.B)
	w.U32(&e.C)
	w.U64(&e.D)
	wire.Num(w, &e.Num)
	wire.Signed(w, &e.Int)
	wire.Signed(w, &e.Small)
	w.Back(&e.Seen, now)
	w.Since(&e.Since, e.Seen)
	w.Bits(&e.X, &e.Y)
	w.Text(&e.Text)
	w.Addr(&e.Addr)
	wire.List(w, &e.List, 2, 100, w.U16)
	b := w.Raw(len(e.Raw))
	switch {
	case !w.Reading():
		copy(b, e.Raw[:])
	case b != nil:
		copy(e.Raw[:], b)
	}
}

func TestWhatIsWrittenIsWhatIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seen := rapid.Uint32Range(1, now).Draw(t, "seen")
		e := everything{
			A: rapid.Uint8().Draw(t, "a"), B: rapid.Uint16().Draw(t, "b"), C: rapid.Uint32().Draw(t, "c"), D: rapid.Uint64().Draw(t, "d"),
			Num: rapid.Uint32().Draw(t, "num"), Int: rapid.Int64().Draw(t, "int"), Small: rapid.Int().Draw(t, "small"),
			Seen: seen, Since: rapid.Uint32Range(0, seen).Draw(t, "since"), X: rapid.Bool().Draw(t, "x"), Y: rapid.Bool().Draw(t, "y"),
			Text: strings.Repeat("ü", rapid.IntRange(0, wire.MaxText/2).Draw(t, "text")),
			Addr: rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1%eth0")}).Draw(t, "addr"),
			List: rapid.SliceOfN(rapid.Uint16(), 0, 100).Draw(t, "list"), Raw: [3]byte{1, 2, 3},
		}
		w := wire.Writer([]byte("before"))
		want := e
		e.wire(w)
		b, ok := bytes.CutPrefix(w.Bytes(), []byte("before"))
		if !ok {
			t.Fatalf("what stood before was changed: %x", w.Bytes())
		}
		var got everything
		r := wire.Reader(b)
		got.wire(r)
		if diff := gocmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" || r.Err() != nil || len(r.Bytes()) > 0 {
			t.Fatalf("%v, %d bytes left (-want +got)\n%s", r.Err(), len(r.Bytes()), diff)
		}
		for cut := range b {
			var half everything
			r := wire.Reader(b[:cut])
			if half.wire(r); r.Err() == nil {
				t.Fatalf("%d bytes of %d are enough", cut, len(b))
			}
		}
	})
}

func TestTheBytesAreThoseOfTheDrawing(t *testing.T) {
	e := everything{
		A: 1, B: 0x0203, C: 0x04050607, D: 0x08090a0b0c0d0e0f, Num: 300, Int: -1, Small: 1, Seen: now - 5, Since: now - 5, Y: true,
		Text: "tcp", Addr: netip.MustParseAddr("192.0.2.1"), List: []uint16{0x1011}, Raw: [3]byte{0x12, 0x13, 0x14},
	}
	w := wire.Writer(nil)
	e.wire(w)
	want := []byte("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\xac\x02\x01\x02\x05\x01\x02\x03tcp\x04\xc0\x00\x02\x01\x01\x10\x11\x12\x13\x14")
	if !bytes.Equal(w.Bytes(), want) {
		t.Errorf("got  %x\nwant %x", w.Bytes(), want)
	}
}

func TestPlacesAreReadAsTheyWereWritten(t *testing.T) {
	places := []uint32{0, 1, 7, 299}
	write := wire.Writer(nil)
	next := uint32(0)
	for _, p := range places {
		write.Gap(&p, &next, 300)
	}
	if want := []byte("\x00\x00\x05\xa3\x02"); !bytes.Equal(write.Bytes(), want) {
		t.Errorf("got %x, want %x", write.Bytes(), want)
	}
	read := wire.Reader(write.Bytes())
	next = 0
	for _, want := range places {
		var p uint32
		if read.Gap(&p, &next, 300); p != want || read.Err() != nil {
			t.Errorf("read %d, %v, want %d", p, read.Err(), want)
		}
	}
}

func TestWhatCannotBeIsRefusedWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		read  func(w *wire.Wire)
		want  string
	}{
		"the end comes early":      {"\x01", func(w *wire.Wire) { w.U16(new(uint16)) }, "it ends early, 1 bytes before the end"},
		"a varint without an end":  {"\xff", func(w *wire.Wire) { wire.Num(w, new(uint64)) }, "a number out of range"},
		"a number for a byte":      {"\x80\x02", func(w *wire.Wire) { wire.Num(w, new(uint8)) }, "a number out of range"},
		"a time before all times":  {"\x06", func(w *wire.Wire) { w.Back(new(uint32), 5) }, "a time before 1970"},
		"a since before all times": {"\x07", func(w *wire.Wire) { w.Since(new(uint32), 5) }, "a time before 1970"},
		"a third flag of two":      {"\x04", func(w *wire.Wire) { w.Bits(new(bool), new(bool)) }, "a flag that nobody knows"},
		"a list beyond its bytes":  {"\x03\x00\x00", func(w *wire.Wire) { wire.List(w, new([]uint8), 1, 9, w.U8) }, "a list is longer than it can be"},
		"a list beyond its most":   {"\x02\x00\x00", func(w *wire.Wire) { wire.List(w, new([]uint8), 1, 1, w.U8) }, "a list is longer than it can be"},
		"an address of three":      {"\x03abc", func(w *wire.Wire) { w.Addr(new(netip.Addr)) }, "an address of a length that none has"},
		"a place beyond the last":  {"\x03", func(w *wire.Wire) { next := uint32(2); w.Gap(new(uint32), &next, 5) }, "a place that there is not"},
		"a gap that wraps":         {"\xff\xff\xff\xff\x0f", func(w *wire.Wire) { next := uint32(2); w.Gap(new(uint32), &next, 5) }, "a place that there is not"},
		"a check":                  {"", func(w *wire.Wire) { w.Check(false, "a port of no protocol") }, "a port of no protocol, 0 bytes before the end"},
		"two errors":               {"\x01", func(w *wire.Wire) { w.Fail("the first"); w.Fail("the second") }, "the first"},
	} {
		r := wire.Reader([]byte(c.bytes))
		c.read(r)
		if r.Err() == nil || !strings.Contains(r.Err().Error(), c.want) || len(r.Bytes()) > 0 {
			t.Errorf("%s: %v, want %q", name, r.Err(), c.want)
		}
	}
	w := wire.Writer(nil)
	if w.Check(false, "a port of no protocol"); w.Err() != nil {
		t.Errorf("what is written was checked: %v", w.Err())
	}
}

// FuzzWire reads any bytes as fields of every kind. What is taken is read again alike.
func FuzzWire(f *testing.F) {
	for _, e := range []everything{{}, {Int: math.MinInt64, Text: "udp", Addr: netip.IPv6Unspecified(), List: []uint16{1, 2, 3}}} {
		w := wire.Writer(nil)
		e.wire(w)
		f.Add(w.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again everything
		r := wire.Reader(b)
		if e.wire(r); r.Err() != nil {
			return
		}
		was := e
		w := wire.Writer(nil)
		e.wire(w)
		second := wire.Reader(w.Bytes())
		again.wire(second)
		if diff := gocmp.Diff(was, again, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" || second.Err() != nil {
			t.Fatalf("%v (-read +read again)\n%s", second.Err(), diff)
		}
	})
}
