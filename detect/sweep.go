package detect

import "github.com/scanhound/scanhound/schema"

// sweeps is how often a window each slot is visited.
const sweeps = 8

// sweep visits so many slots that each is visited several times a window, and drops what is
// older. It reads slots one after the other and leaves alone what has nothing to drop. A
// segment that it has passed, and that has become mostly empty, gives places back.
func (l *ledger) sweep(elapsed schema.Time) {
	n := min(int(float64(l.table.places)*float64(elapsed)/float64(l.cfg.Window)*sweeps)+1, l.table.places)
	for n > 0 {
		run := l.table.run(n)
		if len(run) == 0 {
			return
		}
		n -= len(run)
		l.dropOld(run)
		l.table.shrink()
	}
}

// dropOld drops what is older than the window from a run of slots.
func (l *ledger) dropOld(run []slot) {
	for i := 0; i < len(run); i++ {
		if s := &run[i]; l.hasOld(s) && l.expired(s) {
			l.drop(s)
			run = l.table.dropOf(run, i)
			l.stats.Expired++
			i--
		}
	}
}

// hasOld reports whether a slot has something that the window has not. It is asked of all
// slots, of which few have: so it has no branch that goes one way as often as the other.
func (l *ledger) hasOld(s *slot) bool {
	unseen, age := l.second-s.seen, s.oldest.age(l.units.stampOf(s.seen))+l.unseen(s)
	hasAccount := -uint64(s.bits >> slotAccountBit & 1)
	taken := s.key | -s.key
	// Each difference is negative where there is more than the window has.
	return (uint64(l.windowSeconds)-uint64(unseen)|(uint64(l.units.window)-uint64(age))&hasAccount)&taken>>63 != 0
}

// expired reports whether the window has nothing left of a source, after
// dropping what is older from one that has something. The window of what an open
// alert will close with ends with its last contact, so with the source's latest.
func (l *ledger) expired(s *slot) bool {
	if l.second-s.seen > l.windowSeconds {
		return !l.alerted(s)
	}
	quiet := l.unseen(s)
	if l.alerted(s) {
		quiet = 0
	}
	acc := l.accounts.at(uint32(s.word))
	l.purge(s, acc, quiet)
	if sus := l.suspectOf(acc); sus != nil && acc.failed.n < suspicious && len(sus.scans)+len(sus.closedScans) == 0 {
		l.forgetSuspect(acc)
	}
	return acc.failed.n+acc.other.n == 0 && acc.suspect == 0
}
