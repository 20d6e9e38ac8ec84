package netflow

import "time"

// Sequence follows the sequence numbers of one exporter, version and domain, and tells what was lost
// on the way here. The zero value waits for the first datagram. It has one owner.
//
// What it counts are units, see [Decoder.Header]; v1 has none and is never found wanting. Exporters
// that count otherwise than the standard says are found out within a few datagrams, see counting.
type Sequence struct {
	started bool
	open    bool   // next is not known, only that it is not before
	next    uint32 // expected
	before  Header // the last one in order
	judge   judge

	astray uint8  // datagrams in a row, each where the one before it would be continued,
	stray  uint32 // but elsewhere than expected; and where that is

	holes [16]hole // what is missing, the youngest gaps
	last  uint8    // of holes
}

// hole is what is missing: [from, to), over the wrap.
type hole struct{ from, to uint32 }

const (
	// farAhead is a gap that is none: at 1 M flows/s it would be 268 s.
	farAhead = 1 << 28
	// slower is how much less uptime a datagram may have that was only overtaken.
	slower = 10 * time.Second
	// restarted is how many datagrams in a row must continue each other elsewhere to be an exporter
	// that started again. Fewer may be duplicates, or have been overtaken before we saw the first.
	restarted = 4
)

// Advance takes the header of a datagram and returns how many units are missing before it, and how
// many that were missing it brings after all: at any time the sum of lost less that of found is
// what has not come. It reports true where the exporter began to count anew; what was lost around
// that is not known.
func (s *Sequence) Advance(h Header) (lost, found uint64, reset bool) {
	if h.Version <= versionV1 {
		return 0, 0, false
	}
	if s.started && !s.open && !s.before.Open && s.judge.otherwise(s.before, h) {
		s.follow(h)
		return 0, 0, false
	}
	from, _ := s.judge.rule.span(h)
	ahead := from - s.next // modulo 2^32
	switch {
	case !s.started:
		s.begin(h)
	case ahead == 0, s.open && ahead <= farAhead:
		s.follow(h)
	case h.Uptime != 0 && h.Uptime < s.before.Uptime-slower:
		s.begin(h)
		return 0, 0, true
	case ahead <= farAhead:
		s.last = (s.last + 1) % uint8(len(s.holes))
		s.holes[s.last] = hole{s.next, from}
		s.follow(h)
		return uint64(ahead), 0, false
	default:
		return s.elsewhere(h)
	}
	return 0, 0, false
}

// begin forgets what was, but how the exporter counts.
func (s *Sequence) begin(h Header) {
	*s = Sequence{started: true, judge: s.judge}
	s.follow(h)
}

// follow expects what comes behind h.
func (s *Sequence) follow(h Header) {
	from, units := s.judge.rule.span(h)
	s.next, s.open, s.before, s.astray = from+units, h.Open, h, 0
}

// elsewhere takes a datagram from before the expected one, or from far ahead.
func (s *Sequence) elsewhere(h Header) (lost, found uint64, reset bool) {
	from, units := s.judge.rule.span(h)
	if units == 0 {
		return 0, 0, false
	}
	if found := s.fill(from, units); found > 0 {
		return 0, found, false
	}
	if s.astray > 0 && from == s.stray {
		s.astray++
	} else {
		s.astray = 1
	}
	s.stray = from + units
	if s.astray < restarted {
		return 0, 0, false
	}
	s.begin(h)
	return 0, 0, true
}

// fill takes n units that were missing out of their hole and returns how many of them were.
func (s *Sequence) fill(from, n uint32) uint64 {
	for i := range s.holes {
		h := &s.holes[i]
		at, size := from-h.from, h.to-h.from
		if at >= size {
			continue
		}
		n = min(n, size-at)
		behind := hole{from + n, h.to}
		h.to = from
		switch {
		case behind.from == behind.to:
		case h.from == h.to:
			*h = behind
		default:
			s.last = (s.last + 1) % uint8(len(s.holes))
			s.holes[s.last] = behind
		}
		return uint64(n)
	}
	return 0
}
