package sliding

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

func bytesOf(d *Distinct) []byte {
	w := wire.Writer(nil)
	d.Wire(w)
	return w.Bytes()
}

// counted is n hashes over so many panes.
func counted(seed uint64, n, panes int) *Distinct {
	var d Distinct
	r := rand.New(rand.NewPCG(seed, 8))
	for i := range n {
		pane := uint16(i * panes / n)
		d.Add(r.Uint64(), pane, at(pane))
	}
	return &d
}

func TestACountIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 128, 129, 10_000, 300_000}).Draw(t, "n")
		d := counted(rapid.Uint64().Draw(t, "seed"), n, rapid.IntRange(1, windowPanes).Draw(t, "panes"))
		var got Distinct
		r := wire.Reader(bytesOf(d))
		if got.Wire(r); r.Err() != nil || len(r.Bytes()) > 0 || got.regs == nil && len(got.few) != len(d.few) {
			t.Fatalf("%v, %d bytes left", r.Err(), len(r.Bytes()))
		}
		if !bytes.Equal(bytesOf(&got), bytesOf(d)) || got.regs != nil && !reflect.DeepEqual(got.regs, d.regs) {
			t.Fatal("it is another")
		}
	})
}

func TestCountsOfTheSameHashesInAnyOrderHaveTheSameBytesInTheEnd(t *testing.T) {
	for _, n := range []int{100, 5000} {
		var one, two Distinct
		for i := range n {
			one.Add(uint64(i)*0x9e3779b97f4a7c15, 4, at(4))
			two.Add(uint64(n-1-i)*0x9e3779b97f4a7c15, 4, at(4))
		}
		one.Canon()
		two.Canon()
		if !bytes.Equal(bytesOf(&one), bytesOf(&two)) {
			t.Errorf("the bytes of %d hashes tell their order", n)
		}
	}
}

func TestRegistersThatCouldNotBeAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		cells []uint16
		ok    bool
	}{
		"as they are":                   {[]uint16{5<<PaneBits | 3, 51<<PaneBits | 2}, true},
		"a rank beyond the hash":        {[]uint16{52<<PaneBits | 3}, false},
		"no rank":                       {[]uint16{3}, false},
		"one behind a cell that is not": {[]uint16{0, 5<<PaneBits | 3}, false},
	} {
		d := Distinct{regs: newRegisters(2)}
		copy(d.regs.cells[10:], c.cells)
		w := wire.Writer(nil)
		d.Wire(w)
		r := wire.Reader(w.Bytes())
		if d.Wire(r); (r.Err() == nil) != c.ok {
			t.Errorf("%s: %v", name, r.Err())
		}
	}
}

func TestACountThatCouldNotBeIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ bytes, want string }{
		"129 hashes":          {"\x00\x81\x01" + strings.Repeat("\x00", 1290), "longer than it can be"},
		"a pane beyond all":   {"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00", "a pane that is none"},
		"a depth of three":    {"\x03" + strings.Repeat("\x00", 8192), "of a depth that none have"},
		"a depth of eight":    {"\x08" + strings.Repeat("\x00", 16384), "of a depth that none have"},
		"half of its cells":   {"\x01\xff" + strings.Repeat("\x00", 2047+15), "ends early"},
		"no room for a depth": {"", "ends early"},
	} {
		r := wire.Reader([]byte(c.bytes))
		new(Distinct).Wire(r)
		if r.Err() == nil || !strings.Contains(r.Err().Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, r.Err(), c.want)
		}
	}
}

// Who adds a field writes it, and joins it.
func TestNoFieldOfACountIsForgotten(t *testing.T) {
	for _, c := range []struct {
		of     any
		fields int
	}{{Distinct{}, 2}, {hashAt{}, 2}, {registers{}, 3}} {
		if n := reflect.TypeOf(c.of).NumField(); n != c.fields {
			t.Errorf("%T has %d fields, had %d: write them in wire.go, join them in merge.go", c.of, n, c.fields)
		}
	}
}

// FuzzDistinct reads any bytes as a count. What is taken can be added to, asked,
// joined, and is written again as it is.
func FuzzDistinct(f *testing.F) {
	for _, n := range []int{0, 3, 128, 500} {
		f.Add(bytesOf(counted(1, n, 30)), uint16(30))
	}
	f.Add(bytesOf(counted(1, 300_000, windowPanes)), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, pane uint16) {
		var d, again Distinct
		r := wire.Reader(b)
		if d.Wire(r); r.Err() != nil {
			return
		}
		written := bytesOf(&d)
		again.Wire(wire.Reader(written))
		if !bytes.Equal(written, bytesOf(&again)) {
			t.Fatalf("%x is written in two ways", b)
		}
		w := at(pane)
		d.Add(0x123456789abcdef0, w.Now, w)
		d.Merge(&again, w)
		d.Expire(w, 1)
		if n, _ := d.Count(w, w.Panes); n == 0 {
			t.Fatal("what was added is not counted")
		}
		var last Distinct
		second := wire.Reader(bytesOf(&d))
		if last.Wire(second); second.Err() != nil {
			t.Fatalf("what became of %x is refused: %v", b, second.Err())
		}
	})
}
