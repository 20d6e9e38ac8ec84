package detect

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Explanation is what is held of a source, and how far it is from each rule.
type Explanation struct {
	Source   netip.Addr
	Net      bool // the source is all of an IPv6 /64
	Sampled  bool // this is what sampled exporters show of it, who are judged apart
	Internal bool
	Last     time.Time // its latest flow
	Failed   schema.Count
	Other    schema.Count
	Answered uint64 // of the others, those with a session
	Reported uint64 // of the failed, those that a closed alert reported: they do not count again
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
	Reached   bool // counted are targets that were reached; else those that failed
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

// maxExplained is how many keys of a rule are told, those with most targets first.
const maxExplained = 5

// Explain returns what is held of a source; false if nothing is.
func (d *Detector) Explain(source netip.Addr) (Explanation, bool) {
	return d.judge.explainRow(keyOf(source), source, false)
}

// ExplainNet returns what is held of the IPv6 /64 that an address is in.
func (d *Detector) ExplainNet(of netip.Addr) (Explanation, bool) {
	prefix, err := of.WithZone("").Prefix(64)
	if err != nil || of.Is4() || of.Is4In6() {
		return Explanation{}, false
	}
	return d.judge.explainRow(netKeyOf(prefix.Addr()), prefix.Addr(), true)
}

// explainRow explains what there is: what sampled exporters show where no others do.
func (j *judge) explainRow(key uint64, source netip.Addr, net bool) (Explanation, bool) {
	if x, ok := j.explain(key, source, net); ok {
		return x, true
	}
	x, ok := j.explain(sampledKey(key), source, net)
	x.Sampled = ok
	return x, ok
}

// ExplainAlert returns what is held of the source of an open alert whose id begins so.
func (d *Detector) ExplainAlert(id string) (Explanation, bool) {
	for _, o := range d.docket.open {
		switch s := o.suspect; {
		case !strings.HasPrefix(o.id, id):
		default:
			x, ok := d.judge.explain(s.key(), s.addr, s.net)
			x.Sampled = s.sampled
			return x, ok
		}
	}
	return Explanation{}, false
}

func (j *judge) explain(key uint64, source netip.Addr, net bool) (Explanation, bool) {
	s := j.table.find(key)
	if s == nil {
		return Explanation{}, false
	}
	x := Explanation{Source: source, Net: net, Internal: j.isInternal(source), Last: time.Unix(int64(s.seen), 0).UTC()}
	if s.bits&slotAccount == 0 {
		x.addOne(contact{s.word, s.one})
		return x, true
	}
	acc := j.accounts.at(uint32(s.word))
	x.Failed, x.Other = acc.failed.count(), acc.other.count()
	for _, c := range acc.other.all(&j.slab) {
		if c.marks&markAnswered != 0 {
			x.Answered += acc.other.weight()
		}
	}
	for _, c := range acc.failed.all(&j.slab) {
		switch {
		case c.marks&markReported != 0:
			x.Reported += acc.failed.weight()
		case j.outages.down(c.hash(), j.second):
			x.Down += acc.failed.weight()
		}
	}
	sus := j.suspectOf(acc)
	if sus == nil {
		sus = &suspect{addr: source, internal: x.Internal, sampled: key == sampledKey(keyOf(source))}
	}
	for _, sc := range sus.scans {
		x.Open = append(x.Open, j.fired(sc))
	}
	x.Keys = j.explainKeys(acc, sus)
	return x, true
}

func (j *judge) fired(sc *scan) Fired {
	x := &sc.crossing
	f := Fired{
		ID: sc.id, Revision: sc.revision, Rule: x.name(), Horizon: j.Horizons()[x.horizon],
		Count: x.count, Threshold: x.threshold, Proto: protoName(x.contact), Reached: x.fanOut, First: sc.first.Std(), Last: sc.last.Std(),
	}
	switch x.rule {
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
func (j *judge) explainKeys(acc *account, s *suspect) (all []KeyCount) {
	for track, fams := range rulesOf {
		for _, f := range fams {
			var of []KeyCount
			for _, c := range j.newestOfKeys(&acc.failed, f, func(c contact) bool { return c.marks.class().track() == trackKind(track) }) {
				of = append(of, j.explainKey(acc, s, f, c))
			}
			all = append(all, foremost(of)...)
		}
	}
	return slices.Concat(all, j.explainSensitive(acc, s), j.explainFanOut(acc, s))
}

// foremost are those rows of a rule that have most.
func foremost(of []KeyCount) []KeyCount {
	slices.SortStableFunc(of, func(a, b KeyCount) int { return slices.Compare(b.Counts[:], a.Counts[:]) })
	return of[:min(len(of), maxExplained)]
}

// newestOfKeys returns the latest contact of each key, at which a rule would be asked, of
// those contacts that it counts.
func (j *judge) newestOfKeys(of *set, f rule, counts func(contact) bool) []contact {
	newest := map[any]contact{}
	for _, c := range of.all(&j.slab) {
		if !counts(c) {
			continue
		}
		var k any = f
		switch f {
		case vertical, protocols:
			k = [2]uint32{c.addr(), uint32(c.marks.class())}
		case horizontal, sweep:
			k = c.portKey()
		}
		if at, known := newest[k]; !known || c.stamp().after(at.stamp(), j.now) {
			newest[k] = c
		}
	}
	list := make([]contact, 0, len(newest))
	for _, c := range newest {
		list = append(list, c)
	}
	j.byTime(list)
	return list
}

func (j *judge) explainKey(acc *account, s *suspect, f rule, c contact) KeyCount {
	k := keyOfRule(s, f, c)
	n := j.tallyLate(&acc.failed, &k)
	e := j.newRow(s, &crossing{rule: f, contact: c})
	for _, o := range acc.other.all(&j.slab) {
		if o.marks&markAnswered != 0 && k.has(o) {
			e.Good += acc.other.weight()
		}
	}
	for h := range horizons {
		e.Counts[h] = n.all[h] * acc.failed.weight()
		e.Threshold[h], _ = j.demand(s, f, h, c)
		e.hear(j.verdict(acc, s, &k, &n, h))
	}
	if x, ok := j.sequential(acc, s, &k, &n); ok && !e.Fires {
		e.Fires, e.Why = true, reasonSequential(&x)
	}
	return e
}

// newRow is the row of a key, by what would cross.
func (j *judge) newRow(s *suspect, x *crossing) KeyCount {
	e := KeyCount{Rule: x.name(), Proto: protoName(x.contact)}
	switch x.rule {
	case vertical, protocols:
		e.Host = s.target(x.contact)
	case horizontal:
		e.Port = x.contact.port()
	}
	return e
}

// hear takes the verdict of one more horizon: that it fires, or what is nearest to that.
func (e *KeyCount) hear(fires bool, why string) {
	if !e.Fires && (fires || e.Why == "" || e.Why == tooFew) {
		e.Fires, e.Why = fires, why
	}
}

// notItsShape is why a rule about all of a track does not fire for its shape.
var notItsShape = map[rule]string{block: "not many by many", mixed: "its hosts do not lie together"}

const (
	tooFew          = "below the threshold"
	tooMuchAnswered = "too many of its targets answered"
)

// excuses are why a crossing is kept silent.
var excuses = map[guard]string{
	guardOutage:     "its targets are down: they fail for other sources too",
	guardFallback:   "it got the same service elsewhere within seconds",
	guardCutOff:     "nothing that it asks outside succeeds",
	guardPeerToPeer: "its targets are those of a peer-to-peer program",
}

// verdict says whether a rule fires for a key at a horizon, or what keeps it.
func (j *judge) verdict(acc *account, s *suspect, k *key, n *tally, h int) (fires bool, why string) {
	want, ratio := j.demand(s, k.rule, h, k.contact)
	count, want, ok := crosses(n, h, want, k.rule, &acc.failed)
	switch {
	case !ok:
		return false, tooFew
	case !j.failing(acc, k, h, count, ratio):
		return false, tooMuchAnswered
	case !j.hasShape(acc, s, k, h):
		return false, notItsShape[k.rule]
	}
	return j.unlessExcused(acc, s, k, h, count, want)
}

// unlessExcused: what reached its threshold fires, unless there is an excuse.
func (j *judge) unlessExcused(acc *account, s *suspect, k *key, h int, count, want uint64) (fires bool, why string) {
	if g := j.excused(acc, s, k, h, count, want); g != guardNone {
		return false, excuses[g]
	}
	return true, j.crossesWithin(h)
}

func (j *judge) crossesWithin(h int) string {
	return "crosses within " + schema.Duration(j.Horizons()[h]).String()
}
