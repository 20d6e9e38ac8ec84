package detect

// ledger is the sources, each with an account of what it has touched, and what they take.
type ledger struct {
	*moment
	*policy
	*network
	table        table
	slab         slab
	accounts     accounts
	door         doorkeeper
	nets         nets
	beginnings   beginnings
	awaited      [Slices]bool // parts, see Await
	awaiting     int          // how many of them
	sketched     uint64       // bytes of sketches and footprints, nearly: see weigh
	suspects     []*suspect
	freeSuspects []uint32
	scratch      scratch
	stats        *Stats
}

// each calls f with every contact of an account.
func (l *ledger) each(acc *account, f func(contact)) {
	for _, set := range []*set{&acc.failed, &acc.other} {
		for _, c := range set.all(&l.slab) {
			f(c)
		}
	}
}

// suspectOf returns the suspect of an account, or nil.
func (l *ledger) suspectOf(acc *account) *suspect {
	if acc.suspect == 0 {
		return nil
	}
	return l.suspects[acc.suspect-1]
}

// countInSketch lets the sketches count c, unless it is nothing but a session.
func (l *ledger) countInSketch(acc *account, c contact, hash uint64) {
	s := l.suspectOf(acc)
	if s == nil || c.marks&markAnswered != 0 || !s.hasSketch() {
		return
	}
	k := l.sketchOf(s, c.marks.class().track())
	if k.mode == sketchNone {
		if of := s.lastKept(c.marks.class().track()); of != nil {
			k.like(of)
		} else {
			k.begin(1, 1, c)
		}
		k.footprint = l.newFootprint(s, []contact{c})
	}
	k.add(c, hash, &l.panes)
	k.trace(c, l.units.timeOf(c.stamp(), l.clock.now))
}
