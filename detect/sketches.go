package detect

import (
	"fmt"

	"github.com/scanhound/scanhound/detect/internal/sliding"
	"github.com/scanhound/scanhound/schema"
)

// sketches count what no longer fits a set. While all is on one port, pairs are
// hosts, and while all is on one host, pairs are ports: then pairs are not counted
// beside. Once that ends, pairs goes on from a copy; what it had of the one port
// or host must keep its hash.
type sketches struct {
	pairs, hosts, ports sliding.Distinct

	footprint     *footprint
	failures      failures
	reportedPairs uint64 // about so many pairs are of scans that have closed
	oneHost       uint32
	onePort       portKey
	mode          sketchMode
	beyond        bool // they have what the sets do not hold any more
}

type sketchMode uint8

const (
	sketchNone    sketchMode = iota
	sketchOnePort            // pairs are hosts
	sketchOneHost            // pairs are ports
	sketchPairs              // pairs are counted, beginning with those of one port, one host, or none
	sketchFromPort
	sketchFromHost
)

// begin decides how pairs are counted from what a track holds already.
func (s *sketches) begin(hosts, ports int, c contact) {
	s.oneHost, s.onePort = c.addr(), c.portKey()
	switch {
	case ports <= 1:
		s.mode = sketchOnePort
	case hosts <= 1:
		s.mode = sketchOneHost
	default:
		s.mode = sketchPairs
	}
}

func (s *sketches) add(c contact, hash uint64, w *sliding.Window) {
	s.addIn(c, hash, paneOf(c.stamp()), w)
}

// addIn counts a contact as seen in a pane.
func (s *sketches) addIn(c contact, hash uint64, pane uint16, w *sliding.Window) {
	host, port := hashHost(c.addr()), c.portKey().hash()
	s.hosts.Add(host, pane, w)
	s.ports.Add(port, pane, w)
	switch {
	case s.mode == sketchOnePort && c.portKey() != s.onePort:
		s.mode, s.pairs = sketchFromPort, s.hosts.Clone()
	case s.mode == sketchOneHost && c.addr() != s.oneHost:
		s.mode, s.pairs = sketchFromHost, s.ports.Clone()
	}
	switch {
	case s.mode < sketchPairs:
		return
	case s.mode == sketchFromPort && c.portKey() == s.onePort:
		hash = host
	case s.mode == sketchFromHost && c.addr() == s.oneHost:
		hash = port
	}
	s.pairs.Add(hash, pane, w)
}

// counted is what holds the pairs.
func (s *sketches) counted() *sliding.Distinct {
	switch s.mode {
	case sketchOnePort:
		return &s.hosts
	case sketchOneHost:
		return &s.ports
	}
	return &s.pairs
}

func (s *sketches) expire(w *sliding.Window, extra uint32) {
	for _, d := range []*sliding.Distinct{&s.pairs, &s.hosts, &s.ports} {
		d.Expire(w, extra)
	}
}

// newSketches is what sketches take when they begin: hosts or ports, and pairs.
const newSketches = 2 * sliding.RegisterBytes

func (s *sketches) bytes() uint64 {
	if s == nil {
		return 0
	}
	return s.pairs.Bytes() + s.hosts.Bytes() + s.ports.Bytes() + s.failures.bytes()
}

// sketchOf returns the sketches of a track, new ones if it had nothing to count
// when the others began.
func (l *ledger) sketchOf(s *suspect, t trackKind) *sketches {
	if s.sketch[t] == nil {
		s.sketch[t] = new(sketches)
		l.sketched += newSketches
	}
	return s.sketch[t]
}

// spill starts the sketches of every track, and the footprints of the open scans,
// with all that the sets hold, before the failed ones become a sample.
func (l *ledger) spill(acc *account) {
	s := l.suspectOf(acc)
	if s == nil || s.hasSketch() {
		return
	}
	var shapes [trackCount]*outline
	counted := func(c contact) bool {
		return c.stamp().age(l.now) <= l.units.window && c.marks&(markReported|markAnswered) == 0
	}
	l.each(acc, func(c contact) {
		if track := c.marks.class().track(); counted(c) {
			if shapes[track] == nil {
				shapes[track] = newOutline()
			}
			shapes[track].add(c)
		}
	})
	l.each(acc, func(c contact) {
		if track := c.marks.class().track(); counted(c) {
			k := l.sketchOf(s, track)
			if k.mode == sketchNone {
				k.begin(len(shapes[track].hosts.used), len(shapes[track].ports.used), c)
			}
			k.add(c, c.hash(), &l.panes)
		}
	})
	l.sketchFootprints(acc, s, counted)
	for _, sc := range s.scans {
		l.follow(sc)
	}
}

func (s *suspect) hasSketch() bool {
	for _, k := range s.sketch {
		if k != nil {
			return true
		}
	}
	return false
}

// countOf is what one of them counts in the window that ends with w.
func countOf(d *sliding.Distinct, w *sliding.Window) schema.Count {
	n, exact := d.Count(w, w.Panes)
	if exact {
		return schema.Count{Count: n, Exact: true}
	}
	return schema.Count{Count: n, Stderr: sliding.Stderr(n)}
}

// shippedPrecision: 4 KiB, 1.6 % standard error.
const shippedPrecision = 12

// hostsSketch is what an alert ships of hosts that it cannot list.
func (l *ledger) hostsSketch(sc *scan) []byte {
	k := sc.suspect.sketch[sc.track]
	if k == nil {
		return nil
	}
	w := sliding.Window{Now: paneOf(l.units.stamp(sc.last)), Panes: l.panes.Panes}
	if sc.life != nil {
		k, w = sc.life, lifeWindow
	}
	b, err := k.hosts.Sketch(shippedPrecision, &w, w.Panes).MarshalBinary()
	if err != nil {
		panic(fmt.Sprintf("BUG: encode a sketch: %v", err))
	}
	return b
}
