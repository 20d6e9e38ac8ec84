package detect

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/scanhound/scanhound/detect/internal/sliding"
	"github.com/scanhound/scanhound/detect/internal/wire"
	"github.com/scanhound/scanhound/schema"
)

// Reading is what one oriented flow says of its contact, before any state is asked.
type Reading struct {
	Guard    string // that keeps the flow silent; then the rest says nothing
	Strong   bool   // evidence that stands alone
	Faint    bool   // evidence that takes many
	Answered bool   // a session
}

// ReadFlow reads a flow as Observe does. knowsFlags says that its exporter has
// sent TCP flags, in this flow or before.
func ReadFlow(f *schema.Flow, knowsFlags bool) Reading {
	if g := guardFlow(f); g != guardNone {
		return Reading{Guard: guards[g].name}
	}
	o := outcomeOf(f, knowsFlags)
	if f.Orientation == schema.OrientService && o.isProbe() {
		o = touched
	}
	return Reading{Strong: o&probes != 0, Faint: o&faint != 0, Answered: o&answered != 0}
}

// Canon is a slice in an order, and without what the window has nothing left of, that
// are the same however its state came about.
func (d *Detector) Canon(part int) []byte {
	x, err := readSlice(d.AppendSlice(nil, part))
	if err != nil {
		panic(err)
	}
	x.places, x.round.hand = 0, cursor{}
	x.sources = slices.DeleteFunc(x.sources, func(of sourceState) bool {
		return d.second-of.seen > d.windowSeconds && (of.suspect == nil || !of.suspect.alerted())
	})
	slices.SortFunc(x.sources, func(a, b sourceState) int { return cmp.Compare(a.key, b.key) })
	for i := range x.sources {
		of := &x.sources[i]
		of.oldest = 0
		for _, s := range []*setState{&of.failed, &of.other} {
			slices.SortFunc(s.contacts, compareContacts)
			s.size = fitting(len(s.contacts))
		}
		if of.suspect != nil {
			canonSketches(of.suspect)
		}
	}
	return appendSlice(x)
}

func compareContacts(a, b contact) int {
	return cmp.Or(cmp.Compare(a.word, b.word), cmp.Compare(a.marks, b.marks))
}

func canonSketches(s *suspect) {
	prints := []*footprint{}
	for _, k := range s.sketch {
		if k == nil || k.mode == sketchNone {
			continue
		}
		prints = append(prints, k.footprint)
		for _, d := range []*sliding.Distinct{&k.pairs, &k.hosts, &k.ports} {
			d.Canon()
		}
	}
	for _, sc := range s.scans {
		if sc.footprint != nil {
			prints = append(prints, sc.footprint)
		}
	}
	for _, f := range prints {
		slices.SortFunc(f.ports, func(a, b portMap) int { return cmp.Compare(a.class, b.class) })
		slices.SortFunc(f.fine, func(a, b addressMap) int { return cmp.Compare(a.base, b.base) })
	}
}

// appendSlice writes what readSlice read.
func appendSlice(x *slice) []byte {
	w := wire.Writer([]byte{sliceVersion})
	x.wireHead(w)
	if x.part == common {
		x.common.wire(w)
	} else {
		x.readSegment(w)
	}
	return Sealed(w.Bytes())
}

// Sealed is a slice with its checksum.
func Sealed(b []byte) []byte { return binary.BigEndian.AppendUint32(b, uint32(xxh3.Hash(b))) }

// Held is one contact of a source as far as the order of flows does not matter: of a
// target that answered it is not kept when the last flow to it was that failed.
type Held struct {
	Key, Target uint64
	Class       uint8
	Failed      bool
	Answered    bool
	First       uint16 // of one that failed
}

// Contacts is all that is held, in an order.
func (d *Detector) Contacts() (all []Held) {
	for part := range common {
		x, err := readSlice(d.AppendSlice(nil, part))
		if err != nil {
			panic(err)
		}
		for _, of := range x.sources {
			for _, c := range slices.Concat([]contact{of.one}, of.failed.contacts, of.other.contacts) {
				if c.marks == 0 {
					continue
				}
				h := Held{of.key, c.target(), uint8(c.marks.class()), c.marks&(markStrong|markFaint) != 0, c.marks&markAnswered != 0, 0}
				if c.marks.isProbe() {
					h.First = uint16(c.stamp())
				}
				all = append(all, h)
			}
		}
	}
	slices.SortFunc(all, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Class, b.Class))
	})
	return all
}

// SettleAll measures every open alert as when it goes quiet, and says it anew.
func (d *Detector) SettleAll() []schema.Alert {
	d.docket.alerts = d.docket.alerts[:0]
	for _, sc := range d.docket.open {
		sc.said = said{}
		d.docket.settle(sc.scan)
	}
	return d.docket.alerts
}

// LeavingGuards is how many guards make a flow leave.
func LeavingGuards() (n int) {
	for _, g := range guards {
		if g.leaves {
			n++
		}
	}
	return n
}

// SliceVersion is what AppendSlice writes.
const SliceVersion = sliceVersion

// Dump is a canonical slice in words, a source a line and a part of it a line below.
func Dump(b []byte) string {
	x, err := readSlice(b)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	fmt.Fprintf(&out, "part %d clock %v round %+v common %+v nets %+v\n", x.part, x.clock.Std(), x.round, x.common, x.nets)
	for _, of := range x.sources {
		fmt.Fprintf(&out, "%x seen %d since %d one %x\n failed %v\n other %v\n", of.key, of.seen, of.since, of.one, of.failed, of.other)
		s := of.suspect
		if s == nil {
			continue
		}
		fmt.Fprintf(&out, " suspect %v closed %d names %v\n", s.addr, s.turns, s.names)
		for t, k := range s.sketch {
			fmt.Fprintf(&out, " %d evidence %+v\n", t, s.evidence[t])
			if k != nil {
				fmt.Fprintf(&out, " %d sketch mode %d reported %d %x %v\n", t, k.mode, k.reportedPairs, k.oneHost, k.onePort)
				for _, d := range []*sliding.Distinct{&k.hosts, &k.ports, &k.pairs} {
					w := wire.Writer(nil)
					d.Wire(w)
					fmt.Fprintf(&out, "  count %x\n", w.Bytes())
				}
				fmt.Fprintf(&out, "  footprint %+v\n", k.footprint)
			}
		}
		for _, p := range s.closedScans {
			fmt.Fprintf(&out, " closed scan %+v\n", *p)
		}
		for i, sc := range s.scans {
			fmt.Fprintf(&out, " scan %s %d/%d %v %+v %v %v %+v look %v\n  %+v\n", sc.id, sc.nth, sc.revision, sc.track, sc.scope, sc.first, sc.last, sc.said, of.dues[i], sc.footprint)
		}
	}
	for _, t := range x.outages {
		fmt.Fprintf(&out, "target %+v\n", t)
	}
	return out.String()
}

// About returns the test whether a source's alert, open or closed, is about a flow; nil if the
// alert is not remembered.
func (d *Detector) About(id string) func(*schema.Flow) bool {
	for _, s := range d.ledger.suspects {
		if s == nil {
			continue
		}
		for _, sc := range s.scans {
			if sc.id == id {
				return func(f *schema.Flow) bool { return sc.covers(targetOf(f)) }
			}
		}
		for _, p := range s.closedScans {
			if p.alert.ID == id {
				return func(f *schema.Flow) bool { return p.scan.covers(targetOf(f)) }
			}
		}
	}
	return nil
}

// Forget takes a source out, as a short memory does.
func (d *Detector) Forget(source netip.Addr) {
	d.ledger.drop(d.ledger.table.find(keyOf(source)))
	d.ledger.table.removeKey(keyOf(source))
}
