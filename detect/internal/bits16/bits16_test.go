package bits16_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect/internal/bits16"
	"github.com/scanhound/scanhound/detect/internal/wire"
)

// drawn is a set, and the same as a map: of few numbers, of many, or of some that lie
// close together.
func drawn(t *rapid.T, name string) (*bits16.Set, map[uint16]bool) {
	var s bits16.Set
	want := map[uint16]bool{}
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, name), 1))
	most := rapid.SampledFrom([]int{200, 1 << 16}).Draw(t, name+" lies below")
	for range rapid.SampledFrom([]int{0, 1, 100, 128, 129, 1000, 60_000}).Draw(t, name+" has") {
		i := uint16(r.IntN(most))
		s.Add(i)
		want[i] = true
	}
	return &s, want
}

func same(t *rapid.T, what string, s *bits16.Set, want map[uint16]bool) {
	t.Helper()
	var got []uint16
	s.Each(func(i uint16) bool { got = append(got, i); return true })
	if !slices.Equal(got, slices.Sorted(maps.Keys(want))) || s.Len() != len(want) {
		t.Fatalf("%s: %d numbers %v, want %d", what, s.Len(), got, len(want))
	}
	var b bits16.Bitmap
	last := -1
	for i, w := range s.Words {
		if i <= last || w == 0 {
			t.Fatalf("%s: word %d is %x, after word %d", what, i, w, last)
		}
		last, b[i] = i, w
	}
	for i := range 1 << 16 {
		if in := want[uint16(i)]; s.Has(uint16(i)) != in || b[i/64]>>(i%64)&1 != 0 != in {
			t.Fatalf("%s: %d is in it: %v, want %v", what, i, s.Has(uint16(i)), in)
		}
	}
}

func TestASetHasWhatAMapHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, want := drawn(t, "set")
		same(t, "a set", s, want)
		o, more := drawn(t, "another")
		s.Merge(o)
		same(t, "the other, after a merge", o, more)
		maps.Copy(want, more)
		same(t, "a union", s, want)
		s.Add(7) // what is merged is a copy
		delete(want, 7)
		if o.Has(7) != more[7] {
			t.Fatal("two sets share their numbers")
		}
	})
}

// A set that is filled again and again gives copies in the form that they should have.
func TestASetIsEmptyOnceItIsClearedAndItsCopiesAreNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, want := drawn(t, "set")
		before := s.Clone()
		s.Clear()
		same(t, "a cleared set", s, map[uint16]bool{})
		for i := range want {
			s.Add(i)
		}
		same(t, "a set filled again", s, want)
		again := s.Clone()
		s.Clear()
		for name, c := range map[string]*bits16.Set{"before": &before, "after": &again} {
			same(t, "a copy from "+name, c, want)
			if n := c.Bytes(); len(want) <= 128 && n > 512 {
				t.Fatalf("%d numbers take %d bytes in a copy from %s", len(want), n, name)
			}
		}
	})
}

func TestASetTakesAListOfTwoBytesEachOrABitmap(t *testing.T) {
	var s bits16.Set
	if s.Bytes() != 0 || s.Prefetch(3) != 0 {
		t.Errorf("an empty set takes %d bytes", s.Bytes())
	}
	for i := range uint16(128) {
		s.Add(500 * i)
		if n := s.Bytes(); n < 2*uint64(i+1) || n > 512 {
			t.Errorf("%d numbers take %d bytes", i+1, n)
		}
	}
	s.Add(3)
	if s.Bytes() != 8192+128 || s.Prefetch(3) == 0 {
		t.Errorf("129 numbers take %d bytes, of which %x is read", s.Bytes(), s.Prefetch(3))
	}
}

func bytesOf(s *bits16.Set) []byte {
	w := wire.Writer(nil)
	s.Wire(w)
	return w.Bytes()
}

func TestASetIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, want := drawn(t, "set")
		b := bytesOf(s)
		var got bits16.Set
		r := wire.Reader(b)
		got.Wire(r)
		if r.Err() != nil || len(r.Bytes()) > 0 {
			t.Fatalf("%v, %d bytes left", r.Err(), len(r.Bytes()))
		}
		same(t, "a set that was read", &got, want)
	})
	var few bits16.Set
	for _, i := range []uint16{65535, 3, 4, 700} {
		few.Add(i)
	}
	if got, want := bytesOf(&few), []byte{4, 3, 0, 0xb7, 5, 0xc2, 0xfa, 3}; !bytes.Equal(got, want) {
		t.Errorf("written as %x, want %x", got, want)
	}
}

func TestASetThatCouldNotBeIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ bytes, want string }{
		"130 numbers":           {"\x82" + strings.Repeat("\x00", 8192), "longer than it can be"},
		"three of two":          {"\x03\x00\x00", "longer than it can be"},
		"half a bitmap":         {"\x81" + strings.Repeat("\x00", 8191), "ends early"},
		"65,536":                {"\x02\xff\xff\x03\x00", "beyond 65,535"},
		"a gap round the world": {"\x02\x05\xff\xff\xff\xff\x0f", "beyond 65,535"},
	} {
		r := wire.Reader([]byte(c.bytes))
		new(bits16.Set).Wire(r)
		if r.Err() == nil || !strings.Contains(r.Err().Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, r.Err(), c.want)
		}
	}
}

// FuzzSet reads any bytes as a set, and what is taken again as it was written.
func FuzzSet(f *testing.F) {
	f.Add([]byte{4, 3, 0, 0xb7, 5, 0xc2, 0xfa, 3})
	f.Add(append([]byte{129}, bytes.Repeat([]byte{0, 1}, 4096)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again bits16.Set
		r := wire.Reader(b)
		if s.Wire(r); r.Err() != nil {
			return
		}
		written := bytesOf(&s)
		again.Wire(wire.Reader(written))
		if !slices.Equal(slices.Collect(s.Each), slices.Collect(again.Each)) || !bytes.Equal(written, bytesOf(&again)) {
			t.Fatalf("%x is written as %x and then as %x", b, written, bytesOf(&again))
		}
	})
}

func BenchmarkSet(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
	}{{"list", 100}, {"bitmap", 10_000}} {
		r := rand.New(rand.NewPCG(1, 1))
		numbers := make([]uint16, c.n)
		var s bits16.Set
		for i := range numbers {
			numbers[i] = uint16(r.IntN(1 << 16))
			s.Add(numbers[i])
		}
		b.Run("add/"+c.name, func(b *testing.B) {
			for i := range b.N {
				s.Add(numbers[i%c.n])
			}
		})
		b.Run("has/"+c.name, func(b *testing.B) {
			found := 0
			for i := range b.N {
				if s.Has(numbers[i%c.n] + 1) {
					found++
				}
			}
			b.ReportMetric(float64(found)/float64(b.N), "found/op")
		})
	}
}
