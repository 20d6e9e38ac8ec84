package detect

import (
	"cmp"

	"github.com/scanhound/scanhound/detect/internal/bits16"
	"github.com/scanhound/scanhound/detect/internal/sliding"
	"github.com/scanhound/scanhound/detect/internal/wire"
)

// The bytes of sketches (in the words of slice.go):
//
//	sketches  mode:1 reported:u  [mode > 0: beyond:1 (2) host:4 port:2 class:1
//	          hosts ports pairs:distinct footprint
//	          failed:numbers*2 list(address:4 ms:4) next:s]
//	life      mode:1 host:4 port:2 class:1 hosts ports pairs:distinct
//
// For distinct see internal/sliding, for numbers internal/bits16.

func (s *sketches) wire(w *wire.Wire, v4 bool) {
	w.U8((*uint8)(&s.mode))
	wire.Num(w, &s.reportedPairs)
	w.Check(s.mode <= sketchFromHost, "sketches of a kind that nobody knows")
	if s.mode == sketchNone {
		return
	}
	if w.Has(2) {
		w.Bits(&s.beyond)
	}
	s.wireHashes(w)
	if w.Reading() {
		s.footprint = new(footprint)
	}
	s.footprint.wire(w, v4)
	s.failures.wire(w)
}

// wireCounts writes or reads sketches that have no footprint: those of a life.
func (s *sketches) wireCounts(w *wire.Wire) {
	w.U8((*uint8)(&s.mode))
	w.Check(s.mode <= sketchFromHost, "sketches of a kind that nobody knows")
	s.wireHashes(w)
}

func (s *sketches) wireHashes(w *wire.Wire) {
	w.U32(&s.oneHost)
	s.onePort.wire(w)
	s.hosts.Wire(w)
	s.ports.Wire(w)
	s.pairs.Wire(w)
}

func (f *failures) wire(w *wire.Wire) {
	for i := range f.fine {
		f.fine[i].Wire(w)
	}
	wire.List(w, &f.latest, 8, latestFailures, func(l *failure) {
		w.U32(&l.addr)
		w.U32(&l.ms)
	})
	wire.Signed(w, &f.next)
	w.Check(f.next == 0 || f.next > 0 && f.next < len(f.latest) && len(f.latest) == latestFailures, "failures that begin nowhere")
}

// merge joins what another state of a source has counted; w ends with the later
// latest flow. Where both began alike the union is exact, as far as it can be. Where
// they did not, which states of one partition never do, the pairs are those of one.
func (s *sketches) merge(o *sketches, w *sliding.Window) {
	s.reportedPairs, s.beyond = max(s.reportedPairs, o.reportedPairs), s.beyond || o.beyond
	switch {
	case o.mode == sketchNone:
		return
	case s.mode == sketchNone:
		o.reportedPairs, o.beyond = s.reportedPairs, s.beyond
		*s = *o
		return
	}
	switch {
	case s.alike(o):
		s.mergePairs(o, w)
	case cmp.Or(cmp.Compare(o.mode, s.mode), cmp.Compare(o.onePort.hash(), s.onePort.hash()), cmp.Compare(o.oneHost, s.oneHost)) > 0:
		s.mode, s.onePort, s.oneHost, s.pairs = o.mode, o.onePort, o.oneHost, o.pairs
	}
	s.hosts.Merge(&o.hosts, w)
	s.ports.Merge(&o.ports, w)
}

// alike reports whether the pairs of both are the same hashes.
func (s *sketches) alike(o *sketches) bool {
	switch s.mode {
	case sketchOnePort, sketchFromPort:
		return (o.mode == sketchOnePort || o.mode == sketchFromPort) && o.onePort == s.onePort
	case sketchOneHost, sketchFromHost:
		return (o.mode == sketchOneHost || o.mode == sketchFromHost) && o.oneHost == s.oneHost
	}
	return o.mode == s.mode
}

// mergePairs unites what holds the pairs, before hosts and ports are united.
func (s *sketches) mergePairs(o *sketches, w *sliding.Window) {
	switch here, there := s.mode >= sketchPairs, o.mode >= sketchPairs; {
	case here:
		s.pairs.Merge(o.counted(), w)
	case there:
		s.pairs = s.counted().Clone()
		s.pairs.Merge(&o.pairs, w)
		s.mode = o.mode
	}
}

// mergePrints joins the footprints of two sketches and which of the addresses failed:
// those have the places of the maps, which may change.
func (s *sketches) mergePrints(o *sketches, later bool) {
	failed := map[uint32]*bits16.Set{}
	for _, k := range []*sketches{s, o} {
		for i := range k.footprint.fine {
			base := k.footprint.fine[i].base
			if failed[base] == nil {
				failed[base] = new(bits16.Set)
			}
			failed[base].Merge(&k.failures.fine[i])
		}
	}
	s.footprint.merge(o.footprint, later)
	s.failures.fine = [maxFine]bits16.Set{}
	for i := range s.footprint.fine {
		s.failures.fine[i] = *failed[s.footprint.fine[i].base]
	}
	if later {
		s.failures.latest, s.failures.next = o.failures.latest, o.failures.next
	}
}
