package detect

// Stats says what became of every flow: Consumed is the sum of Counted, those of
// Silenced that leave, Waiting, NoRoom, Copies and the three of the clock.
// wide: each field is one counter, and one sum checks them.
type Stats struct {
	Consumed uint64
	Counted  uint64
	Silenced [guardCount]uint64 // by guard, see Guards
	Waiting  uint64             // of new sources that must show more before they get a place
	NoRoom   uint64             // of new sources, all places being taken by better ones
	Copies   uint64             // of sessions that another partition counts
	Early    uint64             // further ahead of its arrival than the allowed skew
	Late     uint64             // before the window
	Timeless uint64

	Sources   uint64 // held now
	Bytes     uint64 // that they take
	Evicted   uint64 // sources that made room for another
	Expired   uint64 // sources of which the window has nothing left
	Opened    uint64 // alerts
	Reopened  uint64 // closed ones whose scanner got in later
	Closed    uint64 // once for each that opened, and once for each that was reopened
	Revisions uint64 // opens, updates and closes together
}

func (s *Stats) refused(a admission) {
	switch a {
	case tooEarly:
		s.Early++
	case tooLate:
		s.Late++
	default:
		s.Timeless++
	}
}

// Stats returns what was counted since New.
func (d *Detector) Stats() Stats {
	s := d.stats
	s.Sources, s.Bytes = d.ledger.table.held, d.ledger.used()
	return s
}

// Fates yields every fate of a flow with its count; they add up to Consumed.
func (s *Stats) Fates(yield func(fate string, n uint64) bool) {
	fates := []struct {
		name string
		n    uint64
	}{{"counted", s.Counted}, {"waiting", s.Waiting}, {"no_room", s.NoRoom}, {"copies", s.Copies}, {"too_early", s.Early}, {"too_late", s.Late}, {"no_time", s.Timeless}}
	for g, row := range guards {
		if row.leaves {
			fates = append(fates, struct {
				name string
				n    uint64
			}{row.name, s.Silenced[g]})
		}
	}
	for _, f := range fates {
		if !yield(f.name, f.n) {
			return
		}
	}
}

// Guards yields every guard, in the order in which they are asked, with the flows
// that it kept from counting as failed targets; of outage the crossings. Flows that
// leave are fates too; the others are counted, or wait for a place.
func (s *Stats) Guards(yield func(guard string, n uint64) bool) {
	for g, row := range guards {
		if guard(g) != guardNone && !yield(row.name, s.Silenced[g]) {
			return
		}
	}
}

// Add adds what another detector counted.
func (s *Stats) Add(o *Stats) {
	for g, n := range o.Silenced {
		s.Silenced[g] += n
	}
	for _, p := range []struct{ to, from *uint64 }{
		{&s.Consumed, &o.Consumed}, {&s.Counted, &o.Counted}, {&s.Waiting, &o.Waiting}, {&s.NoRoom, &o.NoRoom},
		{&s.Copies, &o.Copies}, {&s.Early, &o.Early}, {&s.Late, &o.Late}, {&s.Timeless, &o.Timeless},
		{&s.Sources, &o.Sources}, {&s.Bytes, &o.Bytes}, {&s.Evicted, &o.Evicted}, {&s.Expired, &o.Expired},
		{&s.Opened, &o.Opened}, {&s.Closed, &o.Closed}, {&s.Reopened, &o.Reopened}, {&s.Revisions, &o.Revisions},
	} {
		*p.to += *p.from
	}
}
