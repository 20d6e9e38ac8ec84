package detect

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Explanation is what is held of a source, and how far it is from each rule.
type Explanation struct {
	Source   netip.Addr
	Net      bool // the source is all of an IPv6 /64
	Internal bool
	Last     time.Time // its latest flow
	Failed   schema.Count
	Other    schema.Count
	Answered uint64 // of the others, those with a session
	Told     uint64 // of the failed, those that a closed alert told of: they do not count again
	Down     uint64 // of the failed, those that are down for others too
	Keys     []KeyCount
	Open     []Fired // its open alerts
}

// Fired is the rule that opened an alert, and the key and count that it fired at.
type Fired struct {
	ID        string
	Revision  uint32 // told last
	Rule      string
	Horizon   time.Duration
	Count     uint64
	Threshold uint64
	Host      netip.Addr // of a vertical or protocol scan
	Port      uint16     // of a horizontal one
	Proto     string
	First     time.Time
	Last      time.Time
}

// KeyCount is one key of a rule, with the failed targets within each horizon and
// what would cross.
type KeyCount struct {
	Rule      string
	Host      netip.Addr // of a vertical or protocol scan
	Port      uint16     // of a horizontal one
	Proto     string
	Counts    [len(horizons)]uint64
	Threshold [len(horizons)]uint64
	Good      uint64 // answered targets of the key, which count against it
	Fires     bool
	Why       string // why not, or which horizon does
}

// Horizons are the spans that the counts of a KeyCount are over.
func (d *Detector) Horizons() (spans [len(horizons)]time.Duration) {
	for h, span := range horizons {
		spans[h] = cmp.Or(span, d.cfg.Window)
	}
	return spans
}

// maxExplained is how many keys of a rule are told, those with most targets first.
const maxExplained = 5

// Explain returns what is held of a source; false if nothing is.
func (d *Detector) Explain(source netip.Addr) (Explanation, bool) {
	return d.explain(keyOf(source), source, false)
}

// ExplainNet returns what is held of the IPv6 /64 that an address is in.
func (d *Detector) ExplainNet(of netip.Addr) (Explanation, bool) {
	prefix, err := of.WithZone("").Prefix(64)
	if err != nil || of.Is4() || of.Is4In6() {
		return Explanation{}, false
	}
	return d.explain(netKeyOf(prefix.Addr()), prefix.Addr(), true)
}

// ExplainAlert returns what is held of the source of an open alert.
func (d *Detector) ExplainAlert(id string) (Explanation, bool) {
	for _, o := range d.open {
		switch s := o.suspect; {
		case o.id != id:
		case s.net:
			return d.ExplainNet(s.addr)
		default:
			return d.Explain(s.addr)
		}
	}
	return Explanation{}, false
}

func (d *Detector) explain(key uint64, source netip.Addr, net bool) (Explanation, bool) {
	s := d.table.find(key)
	if s == nil {
		return Explanation{}, false
	}
	x := Explanation{Source: source, Net: net, Internal: d.isInternal(source), Last: time.Unix(int64(s.seen), 0).UTC()}
	if s.bits&slotRecord == 0 {
		x.addOne(contact{s.word, s.one})
		return x, true
	}
	rec := d.records.at(uint32(s.word))
	x.Failed, x.Other = rec.failed.count(), rec.other.count()
	for _, c := range rec.other.all(&d.slab) {
		if c.marks&markAnswered != 0 {
			x.Answered += rec.other.weight()
		}
	}
	for _, c := range rec.failed.all(&d.slab) {
		switch {
		case c.marks&markTold != 0:
			x.Told += rec.failed.weight()
		case d.targets.down(c.hash(), d.second):
			x.Down += rec.failed.weight()
		}
	}
	sus := d.suspectOf(rec)
	if sus == nil {
		sus = &suspect{addr: source, internal: x.Internal}
	}
	for _, sc := range sus.scans {
		x.Open = append(x.Open, d.fired(sc))
	}
	x.Keys = d.explainKeys(rec, sus)
	return x, true
}

func (d *Detector) fired(sc *scan) Fired {
	x := &sc.crossing
	f := Fired{
		ID: sc.id, Revision: sc.revision, Rule: x.family.String(), Horizon: d.Horizons()[x.horizon],
		Count: x.count, Threshold: x.threshold, Proto: protoName(x.contact), First: sc.first.Std(), Last: sc.last.Std(),
	}
	switch x.family {
	case vertical, protocols:
		f.Host = sc.suspect.target(x.contact)
	case horizontal:
		f.Port = x.contact.port()
	}
	return f
}

func protoName(c contact) string { return schema.ProtoName(c.marks.class().proto(c.port())) }

func (x *Explanation) addOne(c contact) {
	one := schema.Count{Count: 1, Exact: true}
	if c.marks.isProbe() {
		x.Failed, x.Other = one, schema.Count{Exact: true}
		return
	}
	x.Failed, x.Other = schema.Count{Exact: true}, one
	if c.marks&markAnswered != 0 {
		x.Answered = 1
	}
}

// explainKeys asks every rule about every key of the failed targets.
func (d *Detector) explainKeys(rec *record, s *suspect) (all []KeyCount) {
	for track, fams := range families {
		for _, f := range fams {
			var of []KeyCount
			for _, c := range d.newestOfKeys(rec, trackKind(track), f) {
				of = append(of, d.explainKey(rec, s, f, c))
			}
			slices.SortStableFunc(of, func(a, b KeyCount) int { return slices.Compare(b.Counts[:], a.Counts[:]) })
			all = append(all, of[:min(len(of), maxExplained)]...)
		}
	}
	return all
}

// newestOfKeys returns the latest contact of each key, at which a rule would be asked.
func (d *Detector) newestOfKeys(rec *record, track trackKind, f family) []contact {
	newest := map[any]contact{}
	for _, c := range rec.failed.all(&d.slab) {
		if c.marks.class().track() != track {
			continue
		}
		var k any = f
		switch f {
		case vertical, protocols:
			k = [2]uint32{c.addr(), uint32(c.marks.class())}
		case horizontal, sweep:
			k = c.portKey()
		}
		if at, known := newest[k]; !known || c.stamp().after(at.stamp(), d.now) {
			newest[k] = c
		}
	}
	list := make([]contact, 0, len(newest))
	for _, c := range newest {
		list = append(list, c)
	}
	d.byTime(list)
	return list
}

func (d *Detector) explainKey(rec *record, s *suspect, f family, c contact) KeyCount {
	k := key{f, c}
	n := d.tallyLate(&rec.failed, &k)
	e := KeyCount{Rule: f.String(), Proto: protoName(c)}
	switch f {
	case vertical, protocols:
		e.Host = s.target(c)
	case horizontal:
		e.Port = c.port()
	}
	for _, o := range rec.other.all(&d.slab) {
		if o.marks&markAnswered != 0 && k.has(o) {
			e.Good += rec.other.weight()
		}
	}
	for h := range horizons {
		e.Counts[h] = n.all[h] * rec.failed.weight()
		e.Threshold[h], _ = d.demand(s, f, h, c)
		if fires, why := d.verdict(rec, s, &k, &n, h); !e.Fires && (fires || e.Why == "" || e.Why == tooFew) {
			e.Fires, e.Why = fires, why
		}
	}
	if x, ok := d.sequential(rec, s, &k, &n); ok && !e.Fires {
		e.Fires, e.Why = true, reasonEarly(&x)
	}
	return e
}

const tooFew = "below the threshold"

// verdict says whether a rule fires for a key at a horizon, or what keeps it.
func (d *Detector) verdict(rec *record, s *suspect, k *key, n *tally, h int) (fires bool, why string) {
	want, ratio := d.demand(s, k.family, h, k.contact)
	count, want, ok := crosses(n, h, want, k.family, &rec.failed)
	switch {
	case !ok:
		return false, tooFew
	case !d.failing(rec, k, h, count, ratio):
		return false, "too many of its targets answered"
	case k.family == block && !d.isBlock(rec, s, h, k.stamp()):
		return false, "not many by many"
	case d.isDown(rec, k, h, count, want):
		return false, "its targets are down: they fail for other sources too"
	}
	return true, "crosses within " + schema.Duration(d.Horizons()[h]).String()
}
