package detect

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/wire"
	"github.com/scanhound/scanhound/schema"
)

// Some sampled exporters send the packets that they saw, others have multiplied them by the
// rate already. Of one that has, every record is a multiple of it; the sum is scaled once,
// whoever does it. The bytes of what is known of exporters (in the words of slice.go), since
// version 2:
//
//	scaling  exporter:addr records:u seen:1 (a record that is no multiple)

// scaling is what the records of a sampled exporter say of its packets.
type scaling struct {
	records  uint32 // with packets, up to scaledRecords
	unscaled bool   // one was no multiple of the rate
}

const (
	scaledRecords = 20 // that are all multiples of the rate are no chance
	plainRate     = 50 // of which one multiple is hardly one
)

// learnScaling notes a record of a sampled exporter, and reports whether its packets are scaled.
func (n *network) learnScaling(f *schema.Flow) bool {
	rate, packets := uint64(f.Exporter.Sampling), f.Src.Packets+f.Dst.Packets
	if rate <= 1 || !f.Exporter.Addr.IsValid() {
		return false
	}
	s, known := n.scalings[f.Exporter.Addr]
	if s.unscaled || packets == 0 {
		return false
	}
	if s.unscaled = !sentMultiples(f); !s.unscaled {
		s.records = min(s.records+1, scaledRecords)
	}
	if known || len(n.scalings) < maxExportersKnown {
		n.scalings[f.Exporter.Addr] = s
	}
	return !s.unscaled && (s.records == scaledRecords || rate >= plainRate)
}

// scalingState is what is known of one exporter outside of its table.
type scalingState struct {
	exporter netip.Addr
	scaling
}

func (n *network) scalingStates() []scalingState {
	states := make([]scalingState, 0, len(n.scalings))
	for _, a := range slices.SortedFunc(maps.Keys(n.scalings), netip.Addr.Compare) {
		states = append(states, scalingState{a, n.scalings[a]})
	}
	return states
}

func (s *scalingState) wire(w *wire.Wire) {
	w.Addr(&s.exporter)
	w.Check(s.exporter.IsValid(), "packets of no exporter")
	wire.Num(w, &s.records)
	w.Bits(&s.unscaled)
}

// mergeScalings joins what another state knows: both have seen what one has.
func (n *network) mergeScalings(states []scalingState) {
	for _, o := range states {
		s, known := n.scalings[o.exporter]
		if !known && len(n.scalings) >= maxExportersKnown {
			continue
		}
		n.scalings[o.exporter] = scaling{max(s.records, o.records), s.unscaled || o.unscaled}
	}
}

// sentMultiples reports whether a record's packets are multiples of the rate.
func sentMultiples(f *schema.Flow) bool {
	rate := uint64(max(f.Exporter.Sampling, 1))
	return f.Src.Packets+f.Dst.Packets > 0 && f.Src.Packets%rate == 0 && f.Dst.Packets%rate == 0
}

// scaledOf is what the packets of evidence are, scaled once: where all exporters turned out to
// scale, the packets as they came, whatever was made of the first few.
func (n *network) scaledOf(e *evidence) uint64 {
	for _, a := range e.exporters {
		if s := n.scalings[a]; s.unscaled || s.records < scaledRecords {
			return e.scaled
		}
	}
	if e.sampling <= 1 || len(e.exporters) == 0 {
		return e.scaled
	}
	return e.packets
}

// scaledPackets are a flow's packets times the rate, which the exporter may have done.
func scaledPackets(f *schema.Flow, already bool) uint64 {
	if already {
		return f.Src.Packets
	}
	return f.Src.Packets * uint64(cmp.Or(f.Exporter.Sampling, 1))
}
