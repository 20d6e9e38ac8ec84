package story

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// delays are how long after a conversation began its records are exported. An exporter sends what
// an RST ended at once, and a lone SYN after a timeout: so an answer may come before the question.
type delays struct {
	late       [2]time.Duration // of the whole conversation
	askLate    [2]time.Duration // of the asking side's record alone
	answerLate [2]time.Duration // of the answering side's
}

// split reports whether the two halves of a conversation are exported apart.
func (d *delays) split() bool {
	return d.askLate != [2]time.Duration{} || d.answerLate != [2]time.Duration{}
}

// between throws the dice; what is fixed takes none.
func (l *line) between(d [2]time.Duration) time.Duration {
	if d[0] == d[1] {
		return d[0]
	}
	return d[0] + time.Duration(l.dice.Int64N(int64(d[1]-d[0])))
}

// conversation is the i-th of a line, or a half of it, and when it is exported.
type conversation struct {
	arrival, start schema.Time
	line           *line
	i              uint64
	half           half
}

type half uint8

const (
	bothHalves half = iota
	askHalf
	answerHalf
)

// conversations appends those of a line in the order in which they begin.
func (l *line) conversations(all []conversation) []conversation {
	at := midnight.Add(l.begin)
	for i := range l.rhythm.count {
		if i > 0 {
			at = at.Add(l.between(l.gap))
			if l.pauseEach > 0 && i%l.pauseEach == 0 {
				at = at.Add(l.pause)
			}
		}
		c := conversation{at.Add(time.Second + l.between(l.late)), at, l, i, bothHalves}
		if !l.split() {
			all = append(all, c)
			continue
		}
		ask, answer := c, c
		ask.arrival, ask.half = c.arrival.Add(l.between(l.askLate)), askHalf
		answer.arrival, answer.half = c.arrival.Add(l.between(l.answerLate)), answerHalf
		all = append(all, ask, answer)
	}
	return all
}
