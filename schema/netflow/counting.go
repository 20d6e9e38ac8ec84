package netflow

import "github.com/scanhound/scanhound/schema"

// counting is how an exporter counts: the standard's way, or one of those that are met beside it.
type counting uint8

const (
	standard    counting = iota // the number is that of the datagram's first unit
	flowsBefore                 // of its first flow: v9 that counts flows, IPFIX that does not count options
	flowsWithin                 // of the flows up to its last one (softflowd in IPFIX)
	datagrams                   // v5 or IPFIX that counts datagrams

	countings = iota
)

// span returns what of the sequence a datagram is: the first unit, and how many.
func (c counting) span(h Header) (from, units uint32) {
	switch c {
	case flowsBefore:
		return h.Sequence, h.Records
	case flowsWithin:
		return h.Sequence - h.Records, h.Records
	case datagrams:
		return h.Sequence, 1
	}
	return h.Sequence, h.Units
}

// follows reports whether h comes right behind `before`.
func (c counting) follows(before, h Header) bool {
	from, units := c.span(before)
	next, _ := c.span(h)
	return from+units == next
}

// judge finds out how an exporter counts.
type judge struct {
	rule  counting
	sure  uint8    // times that the rule was right and no other, up to settled
	rival counting // was right instead, the last times
	votes uint8    // how often, since the rival was last wrong
}

// settled is when a rule is trusted, and how often another must be right where it is wrong to take
// its place. Until a rule is trusted, what another explains is no loss.
const settled = 3

// otherwise reports whether h follows `before` in another way of counting than the one believed so
// far, so that nothing is missing.
func (j *judge) otherwise(before, h Header) bool {
	if h.Type == schema.SFlow5 || h.Sequence == before.Sequence {
		return false
	}
	if j.votes > 0 && !j.rival.follows(before, h) {
		j.votes = 0
	}
	if j.rule.follows(before, h) {
		if j.alone(before, h) {
			j.sure = min(j.sure+1, settled)
		}
		return false
	}
	c := j.rival
	if j.votes == 0 {
		for c = 0; c < countings && !c.follows(before, h); c++ {
		}
	}
	if c == countings {
		return false
	}
	j.rival, j.votes = c, j.votes+1
	if j.votes >= settled {
		*j = judge{rule: c, sure: settled}
		return true
	}
	from, units := j.rule.span(before)
	next, _ := j.rule.span(h)
	// What lies within the one before it is not missing either.
	return j.sure < settled || next-from < units
}

// alone reports whether all other rules are wrong, or say the same of these two.
func (j *judge) alone(before, h Header) bool {
	b, n := j.rule.span(before)
	from, units := j.rule.span(h)
	for c := range counting(countings) {
		ob, on := c.span(before)
		ofrom, ounits := c.span(h)
		same := b == ob && n == on && from == ofrom && units == ounits
		if !same && c.follows(before, h) {
			return false
		}
	}
	return true
}
