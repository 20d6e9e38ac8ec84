package netflow

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Notices is what a datagram, or an entry of the shared templates, did to the templates of its exporter that
// somebody should hear of.
type Notices struct {
	Changed  uint64 // templates that are not as they were
	Flapping uint64 // of these, those that changed again and again
	Refused  uint64 // templates that cannot be
	Sets     uint64 // sets that cannot be; what stands behind one is lost too

	First []Notice // the first of them: a datagram holds thousands
}

// Notice is one of them.
type Notice struct {
	Exporter netip.Addr
	Port     uint16
	Version  uint16
	Domain   uint32
	ID       uint16 // of the template; of a set its own id
	Fault    Fault  // Changed: nothing is wrong with the template
	Fields   int    // of a refused template, as it says
	Times    int    // that the template changed without a rest, this one too
	was, is  announcement
}

// Fault is what is wrong with a template or a set.
type Fault uint8

// The faults.
const (
	Changed    Fault = iota // none, but it is not what it was
	LowID                   // its id is one of those that sets of templates have
	CutHeader               // its set ends before its first field
	CutFields               // it says more fields than its set holds
	NoBytes                 // a record of it would have no bytes
	LongRecord              // a record of it is longer than a set can be
	ShortSet                // a set shorter than its own header
)

const (
	// firstNotices is how many notices of a datagram are told one by one.
	firstNotices = 4
	// flapAt is the change from which on a template flaps. One restart changes it once; another
	// one, to take back what the first has brought, twice.
	flapAt = 3
	// calm is how long a template must stay as it is for its next change to be the first again:
	// two that announce over UDP every 30 minutes (Cisco's default) change it sooner.
	calm = stale / 4
)

// Flapping reports whether the template changes again and again.
func (n *Notice) Flapping() bool { return n.Times >= flapAt }

// Why says what is wrong, for a person.
func (n *Notice) Why() string {
	switch n.Fault {
	case LowID:
		return fmt.Sprintf("its id is %d, and they begin with 256", n.ID)
	case CutHeader:
		return "its set ends before its first field"
	case CutFields:
		return fmt.Sprintf("it says %d fields, more than its set holds", n.Fields)
	case NoBytes:
		return "a record of it would have no bytes"
	case LongRecord:
		return "a record of it would be longer than any datagram"
	case ShortSet:
		return "it is shorter than its own header"
	}
	return "it is not what it was"
}

// maxDifference is how many fields a difference names.
const maxDifference = 8

// Difference says in a few words how the fields changed: each as element:length, with the enterprise
// before it, as the list of templates has them.
func (n *Notice) Difference() string {
	var words []string
	if n.was.options != n.is.options {
		words = append(words, map[bool]string{true: "from flows to options", false: "from options to flows"}[n.is.options])
	}
	was, is := n.was.fields(n.Version), n.is.fields(n.Version)
	words = lacking(lacking(words, was, is, "-"), is, was, "+")
	switch {
	case len(words) == 0:
		return "the same fields in another order"
	case len(words) > maxDifference:
		words = append(words[:maxDifference], fmt.Sprintf("and %d more", len(words)-maxDifference))
	}
	return strings.Join(words, " ")
}

// lacking appends, with a sign, the fields of a that b lacks.
func lacking(words []string, a, b []Field, sign string) []string {
	left := map[Field]int{}
	for _, f := range b {
		left[f]++
	}
	for _, f := range a {
		if left[f]--; left[f] < 0 {
			words = append(words, sign+f.String())
		}
	}
	return words
}

// String is element:length, with the enterprise before it if it is not IANA's.
func (f Field) String() string {
	s := fmt.Sprintf("%d:%d", f.ID, f.Length)
	if f.Enterprise != 0 {
		s = fmt.Sprintf("%d/%s", f.Enterprise, s)
	}
	return s
}

// notice returns a notice of this session.
func (k sessionKey) notice(id uint16, fault Fault) Notice {
	return Notice{Exporter: k.addr, Port: k.port, Version: k.version, Domain: k.domain, ID: id, Fault: fault}
}

// changedFrom returns the notice that m took the place of old, and false if old is none.
func (m *template) changedFrom(old *template) (n Notice, changed bool) {
	if old == nil || m.same(old.announcement) {
		return n, false
	}
	m.times = 1
	if old.times > 0 && m.when-old.changed < calm {
		m.times += old.times
	}
	m.changed = m.when
	n = m.session.key.notice(m.id, Changed)
	n.Times, n.was, n.is = m.times, old.announcement, m.announcement
	return n, true
}

func (all *Notices) add(n Notice) {
	switch {
	case n.Fault == ShortSet:
		all.Sets++
	case n.Fault != Changed:
		all.Refused++
	default:
		all.Changed++
		if n.Flapping() {
			all.Flapping++
		}
	}
	if len(all.First) < firstNotices {
		all.First = append(all.First, n)
	}
}

// reset makes all empty, and keeps its room.
func (all *Notices) reset() { *all = Notices{First: slices.Delete(all.First, 0, len(all.First))} }

// Notices returns what the last datagram did to the templates of its exporter. It is good until the next
// one is decoded.
func (d *Decoder) Notices() *Notices { return &d.notices }

// OnLoad has f called with what an entry that [Templates.Load] took did to the templates of an exporter. It is called without a lock, on the goroutine of Load.
func (t *Templates) OnLoad(f func(from netip.Addr, n *Notices)) { t.onLoad = f }
