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
	Internal bool
	Last     time.Time // its latest flow
	Failed   schema.Count
	Other    schema.Count
	Answered uint64 // of the others, those with a session
	Keys     []KeyCount
	Open     []string // ids of its open alerts
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
	s := d.table.find(keyOf(source))
	if s == nil {
		return Explanation{}, false
	}
	x := Explanation{Source: source, Internal: d.isInternal(source), Last: time.Unix(int64(s.seen), 0).UTC()}
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
	sus := d.suspectOf(rec)
	if sus == nil {
		sus = &suspect{addr: source, internal: x.Internal}
	}
	for _, sc := range sus.scans {
		x.Open = append(x.Open, sc.id)
	}
	x.Keys = d.explainKeys(rec, sus)
	return x, true
}

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
	e := KeyCount{Rule: f.String(), Proto: schema.ProtoName(c.marks.class().proto(c.port()))}
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
