package netflow_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema/netflow"
)

// noticed adds up what datagrams did to templates.
type noticed struct {
	changed, flapping, refused, sets uint64

	first []netflow.Notice
}

func (n *noticed) add(all *netflow.Notices) {
	n.changed += all.Changed
	n.flapping += all.Flapping
	n.refused += all.Refused
	n.sets += all.Sets
	n.first = append(n.first, all.First...)
}

// announced hears these sets, each one step after the one before.
func announced(from func(i int) netip.AddrPort, step time.Duration, sets ...[]byte) noticed {
	s, all := newSession(netflow.Config{}), noticed{}
	for i, b := range sets {
		s.hear(from(i), time.Duration(i)*step, b)
		all.add(s.Notices())
	}
	return all
}

func onePort(int) netip.AddrPort { return first }

func TestARestartChangesATemplateOnce(t *testing.T) {
	all := announced(onePort, time.Minute, firstTemplate, firstTemplate, firstTemplate, otherTemplate, otherTemplate, otherTemplate)
	if all.changed != 1 || all.flapping != 0 || all.refused != 0 || len(all.first) != 1 {
		t.Fatalf("%+v, want one change", all)
	}
	n := all.first[0]
	if n.Exporter != exporterA || n.Port != first.Port() || n.Version != 10 || n.Domain != 1 || n.ID != 256 || n.Fault != netflow.Changed || n.Flapping() {
		t.Errorf("%+v", n)
	}
}

func TestTwoExportersInOneFlapFromTheirThirdChange(t *testing.T) {
	for _, step := range []time.Duration{time.Second, 30 * time.Second, 15 * time.Minute} {
		all := announced(onePort, step, firstTemplate, otherTemplate, firstTemplate, otherTemplate, firstTemplate)
		if all.changed != 4 || all.flapping != 2 || all.first[1].Flapping() || !all.first[2].Flapping() || all.first[3].Times != 4 {
			t.Errorf("every %v: %+v, want 4 changes, the last two flapping", step, all)
		}
	}
	ports := func(i int) netip.AddrPort { return []netip.AddrPort{first, second}[i%2] }
	if all := announced(ports, time.Second, firstTemplate, otherTemplate, firstTemplate, otherTemplate); all.changed != 0 {
		t.Errorf("%+v of two exporters that their ports tell apart", all)
	}
}

func TestChangesThatRestBetweenDoNotFlap(t *testing.T) {
	all := announced(onePort, 31*time.Minute, firstTemplate, otherTemplate, firstTemplate, otherTemplate, firstTemplate)
	if all.changed != 4 || all.flapping != 0 {
		t.Errorf("%+v, want 4 changes, each the first", all)
	}
}

func TestTheDifferenceOfTwoTemplatesIsSaidInAWord(t *testing.T) {
	many := make([]fld, 12)
	for i := range many {
		many[i] = f(uint16(100+i), 4)
	}
	options := func(id uint16) []byte { return set(3, u16(256), u16(2), u16(1), u16(id), u16(4), u16(34), u16(4)) }
	for want, c := range map[string][2][]byte{
		"-12:4 +27:16":                     {set(2, template(256, f(8, 4), f(12, 4))), set(2, template(256, f(8, 4), f(27, 16)))},
		"-1:4 +1:8":                        {set(2, template(256, f(8, 4), f(1, 4))), set(2, template(256, f(8, 4), f(1, 8)))},
		"+9/5:65535":                       {set(2, template(256, f(8, 4))), set(2, template(256, f(8, 4), fld{5, 0xffff, 9}))},
		"-8:4":                             {set(2, template(256, f(8, 4), f(8, 4))), set(2, template(256, f(8, 4)))},
		"the same fields in another order": {firstTemplate, otherTemplate},
		"from flows to options -8:4 +149:4 +34:4": {set(2, template(256, f(8, 4))), options(149)},
		"from options to flows -149:4 -34:4 +8:4": {options(149), set(2, template(256, f(8, 4)))},
		"-8:4 " + plus(many[:7]) + " and 5 more":  {set(2, template(256, f(8, 4))), set(2, template(256, many...))},
		"-149:4 +143:4":                           {options(149), options(143)},
	} {
		all := announced(onePort, time.Second, c[0], c[1])
		if all.changed != 1 || all.first[0].Difference() != want {
			t.Errorf("%d changes, want one: %s", all.changed, want)
			for _, n := range all.first {
				t.Error("it says", n.Difference())
			}
		}
	}
}

func plus(fields []fld) string {
	var words []string
	for _, f := range fields {
		words = append(words, "+"+netflow.Field{ID: f.id, Length: f.length}.String())
	}
	return strings.Join(words, " ")
}

// poison are templates and sets that cannot be, and what is said of them.
var poison = []struct {
	name string
	sets []byte
	want netflow.Fault
	why  string
}{
	{"no fields", set(0, template(256)), netflow.NoBytes, "no bytes"},
	{"fields of no bytes", set(0, template(256, f(8, 0), f(12, 0))), netflow.NoBytes, "no bytes"},
	{"impossible lengths", set(0, template(256, f(8, 40000), f(12, 40000))), netflow.LongRecord, "longer than any datagram"},
	{"too many fields", set(0, u16(256), u16(60000), specifiers(ends)), netflow.CutFields, "60000 fields"},
	{"half a field", set(0, u16(256), u16(2), specifiers(ends)[:6]), netflow.CutFields, "2 fields"},
	{"the id of a set", set(0, template(3, ends...)), netflow.LowID, "its id is 3"},
	{"options that end in their header", set(1, u16(256), u16(4)), netflow.CutHeader, "before its first field"},
	{"options of more than there is", set(1, u16(256), u16(400), u16(4), specifiers(ends)), netflow.CutFields, "101 fields"},
	{"options of no bytes", set(1, u16(256), u16(4), u16(4), u16(1), u16(0), u16(34), u16(0)), netflow.NoBytes, "no bytes"},
	{"a set of 3 bytes", cat(u16(256), u16(3)), netflow.ShortSet, "its own header"},
}

func TestAPoisonedTemplateIsNamedAndTakesNoPlace(t *testing.T) {
	for _, c := range poison {
		d := decoder()
		decode(d, v9(7, set(0, template(256, ends...))))
		flows := decode(d, v9(7, c.sets))
		n := d.Notices()
		if len(flows) != 0 || n.Changed != 0 || n.Refused+n.Sets != 1 || (n.Sets == 1) != (c.want == netflow.ShortSet) || len(n.First) != 1 {
			t.Fatalf("%s: %+v", c.name, n)
		}
		if got := n.First[0]; got.Fault != c.want || !strings.Contains(got.Why(), c.why) || got.Domain != 7 || got.Exporter != exporterA {
			t.Errorf("%s: %+v, %s", c.name, got, got.Why())
		}
		if flows := decode(d, v9(7, set(256, endsOf()))); len(flows) != 1 || d.Notices().Refused+d.Notices().Sets != 0 {
			t.Errorf("%s: the template in use gave way, or the notice stayed", c.name)
		}
	}
}

// Whatever is in a datagram, its notices are what the counters say, and few are kept.
func TestNoticesAddUpToWhatWasCountedOfAnyBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	d, all, told := decoder(), noticed{}, 0
	for range 20_000 {
		c := poison[r.IntN(len(poison))]
		b := v9(uint32(r.IntN(3)), set(0, template(256, f(8, 4), f(12, uint16(4*r.IntN(3))))), c.sets, set(0, template(257, ends...)))
		for range r.IntN(4) {
			b[20+r.IntN(len(b)-20)] = byte(r.IntN(256))
		}
		d.Decode(nil, exporterA, arrived, b[:20+r.IntN(len(b)-19)])
		n := d.Notices()
		if told = max(told, len(n.First)); len(n.First) > 4 || n.Flapping > n.Changed {
			t.Fatalf("%+v", n)
		}
		all.add(n)
		all.first = nil
	}
	s := d.Stats()
	if want := s.Templates.ZeroLength + s.Templates.TooLong + s.Templates.Malformed; all.refused != want || want == 0 {
		t.Errorf("%d templates refused, counted %d", all.refused, want)
	}
	if all.sets != s.Sets.Malformed || all.sets == 0 {
		t.Errorf("%d sets refused, counted %d", all.sets, s.Sets.Malformed)
	}
	if all.changed == 0 || all.changed > s.Templates.New || told == 0 {
		t.Errorf("%d changed of %d new", all.changed, s.Templates.New)
	}
	checkSums(t, s)
}

func TestADatagramOfThousandsOfFaultsIsCountedWholeAndKeptInPart(t *testing.T) {
	d := decoder()
	decode(d, v9(1, set(0, slices.Repeat(template(256), 5000))))
	if n := d.Notices(); n.Refused != 5000 || len(n.First) != 4 {
		t.Errorf("%d refused, %d kept", n.Refused, len(n.First))
	}
}

func TestWhatAnotherProcessHeardIsNoticedOfItsExporter(t *testing.T) {
	_, other, changes := recorded(netflow.Config{})
	ts := netflow.NewTemplates(netflow.Config{})
	var all noticed
	var from []netip.Addr
	ts.OnLoad(func(a netip.Addr, n *netflow.Notices) { from = append(from, a); all.add(n) })
	for i, b := range [][]byte{firstTemplate, firstTemplate, otherTemplate, firstTemplate, otherTemplate} {
		other.DecodeFrom(nil, netip.AddrPortFrom(exporterB, 4000), arrived.Add(time.Duration(i)*time.Second), ipfix(5, b))
	}
	load(t, ts, *changes)
	load(t, ts, (*changes)[len(*changes)-1:]) // again
	if all.changed != 3 || all.flapping != 1 || all.first[2].Domain != 5 || all.first[2].Port != 4000 {
		t.Errorf("%+v, want 3 changes, one flapping", all)
	}
	c := (*changes)[0]
	poisoned := cat(c.value[:12], u16(8), u16(0))
	if err := ts.Load(c.key, poisoned); err == nil || !strings.Contains(err.Error(), "template 256") || !strings.Contains(err.Error(), "no bytes") {
		t.Errorf("error %v", err)
	}
	if err := ts.Load(c.key, c.value[:3]); err == nil {
		t.Error("half a value was taken")
	}
	if all.refused != 2 || len(slices.Compact(from)) != 1 || from[0] != exporterB {
		t.Errorf("%+v of %v", all, from)
	}
}
