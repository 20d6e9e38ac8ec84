package netflow_test

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// Two exporters behind one address, with one domain and one template id: one says source first, the
// other destination first, so that nothing but the port tells what a record means.
var (
	first, second = netip.AddrPortFrom(exporterA, 50001), netip.AddrPortFrom(exporterA, 50002)
	firstTemplate = set(2, template(256, f(8, 4), f(12, 4), f(1, 4), f(2, 4)))
	otherTemplate = set(2, template(256, f(12, 4), f(8, 4), f(1, 4), f(2, 4)))
	firstData     = set(256, ip("198.51.100.7"), ip("203.0.113.1"), u32(44), u32(1))
	otherData     = set(256, ip("203.0.113.2"), ip("198.51.100.8"), u32(44), u32(1))
)

// session is a decoder that keeps all flows and checks that none is another exporter's.
type session struct {
	*netflow.Decoder
	ts    *netflow.Templates
	flows []schema.Flow
}

func newSession(cfg netflow.Config) *session {
	ts := netflow.NewTemplates(cfg)
	return &session{Decoder: netflow.NewDecoder(ts, cfg), ts: ts}
}

// hear decodes a datagram of these sets and returns how many flows came out.
func (s *session) hear(from netip.AddrPort, at time.Duration, sets ...[]byte) int {
	before := len(s.flows)
	s.flows, _ = s.DecodeFrom(s.flows, from, arrived.Add(at), ipfix(1, sets...))
	return len(s.flows) - before
}

func (s *session) idle(at time.Duration) int {
	before := len(s.flows)
	s.flows = s.Idle(s.flows, arrived.Add(at))
	return len(s.flows) - before
}

// check fails if a flow is not one of those that were sent, or if the sums are wrong.
func (s *session) check(t *testing.T) {
	t.Helper()
	for _, f := range s.flows {
		a, b := f.Src.Addr.String(), f.Dst.Addr.String()
		if (a != "198.51.100.7" || b != "203.0.113.1") && (a != "198.51.100.8" || b != "203.0.113.2") || f.Src.Packets != 1 || f.Src.Bytes != 44 {
			t.Fatalf("nobody sent %+v", f)
		}
	}
	checkSums(t, s.Stats())
	checkWaiting(t, s.ts, s.Stats())
}

func TestTwoExportersBehindOneAddressAreReadByTheirOwnTemplates(t *testing.T) {
	say := []func(s *session, at time.Duration){
		func(s *session, at time.Duration) { s.hear(first, at, firstTemplate) },
		func(s *session, at time.Duration) { s.hear(second, at, otherTemplate) },
		func(s *session, at time.Duration) { s.hear(first, at, firstData) },
		func(s *session, at time.Duration) { s.hear(second, at, otherData) },
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 { // any order in which each says both, data any number of times
		s := newSession(netflow.Config{})
		want, at := 0, time.Duration(0)
		order := append([]int{0, 1, 2, 3}, make([]int, r.IntN(12))...)
		for i := 4; i < len(order); i++ {
			order[i] = r.IntN(4)
		}
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			if at += time.Duration(r.IntN(1000)) * time.Millisecond; i >= 2 {
				want++
			}
			say[i](s, at)
		}
		s.flows = s.Finish(s.flows)
		if s.check(t); len(s.flows) != want {
			t.Fatalf("order %v: %d flows, want %d", order, len(s.flows), want)
		}
	}
}

func TestDataIsReadByTheTemplateOfAnotherPortWhereItsOwnHasNone(t *testing.T) {
	ports := func(i int) netip.AddrPort { return netip.AddrPortFrom(exporterA, uint16(50010+i%4)) }
	t.Run("after a while", func(t *testing.T) {
		s := newSession(netflow.Config{})
		s.hear(first, 0, firstTemplate)
		for i := range 8 {
			if n := s.hear(ports(i), time.Duration(i)*time.Second/2, firstData); n != 0 {
				t.Fatalf("%d flows before anybody could know", n)
			}
		}
		s.hear(first, 10*time.Second, firstTemplate)
		if s.idle(12 * time.Second); len(s.flows) != 8 {
			t.Errorf("%d flows after 12 s", len(s.flows))
		}
		if n := s.hear(ports(0), 12*time.Second, firstData); n != 1 {
			t.Errorf("%d flows of a port that was lent the template", n)
		}
		s.check(t)
	})
	t.Run("data first", func(t *testing.T) {
		s := newSession(netflow.Config{})
		for i := range 8 {
			s.hear(ports(i), 0, firstData)
		}
		s.hear(first, 50*time.Second, firstTemplate)
		if s.idle(90 * time.Second); len(s.flows) != 8 {
			t.Errorf("%d flows", len(s.flows))
		}
		s.check(t)
	})
	t.Run("at the end of a recording", func(t *testing.T) {
		s := newSession(netflow.Config{})
		s.hear(first, 0, firstTemplate, firstData)
		for i := range 8 {
			s.hear(ports(i), 0, firstData)
		}
		if s.flows = s.Finish(s.flows); len(s.flows) != 9 {
			t.Errorf("%d flows", len(s.flows))
		}
		s.check(t)
	})
	t.Run("at once, where there is no room to wait", func(t *testing.T) {
		s := newSession(netflow.Config{WaitBytes: 1000})
		s.hear(first, 0, firstTemplate)
		for range 20 {
			s.hear(ports(0), 0, firstData)
		}
		if s.check(t); len(s.flows) != 20 {
			t.Errorf("%d flows, %+v", len(s.flows), s.ts.Stats().Waiting)
		}
	})
	t.Run("at once, where it comes from anywhere", func(t *testing.T) {
		s := newSession(netflow.Config{})
		s.hear(first, 0, firstTemplate)
		for i := range 16 {
			s.hear(netip.AddrPortFrom(exporterA, uint16(1000+i)), 0, firstData)
		}
		s.idle(time.Minute)
		for i := range 100 {
			if n := s.hear(netip.AddrPortFrom(exporterA, uint16(2000+i)), time.Minute, firstData); n != 1 {
				t.Fatalf("port %d: %d flows", i, n)
			}
		}
		s.check(t)
	})
}

// The port that has the template sends data too: the other is probably an exporter whose template is yet to come.
func TestAnExporterThatAnnouncesLateIsWaitedForWhileTheOtherOneTalks(t *testing.T) {
	s := newSession(netflow.Config{})
	s.hear(first, 0, firstTemplate)
	for i := range 25 {
		at := time.Duration(i) * 10 * time.Second
		s.hear(second, at, otherData)
		s.hear(first, at+time.Second, firstData)
	}
	s.hear(second, 260*time.Second, otherTemplate)
	if s.check(t); len(s.flows) != 50 {
		t.Errorf("%d flows, %+v", len(s.flows), s.ts.Stats().Waiting)
	}
}

func TestATemplateIsNotLentToDataThatItDoesNotFit(t *testing.T) {
	at := u64(uint64(exported.UnixMilli()))
	here := []fld{f(8, 4), f(12, 4), f(7, 2), f(11, 2), f(4, 1), f(6, 1), f(1, 4), f(2, 4), f(152, 8), f(153, 8)}
	data := set(256, u32(44), u32(1), u8(6), u8(2), u16(50000), u16(23), at, at, ip("198.51.100.8"), ip("203.0.113.1"), u16(0)) // another order, two bytes of padding
	for name, body := range map[string][]byte{
		"another order":      data,
		"another length":     set(256, ip("198.51.100.8"), ip("203.0.113.1"), u32(44), u32(1), u64(7)),
		"fields of no sense": set(256, ip("198.51.100.8"), ip("203.0.113.1"), u16(1), u16(2), u8(200), u8(2), u32(44), u32(1), at, at),
	} {
		s := newSession(netflow.Config{})
		s.hear(first, 0, set(2, template(256, here...)))
		s.hear(second, 0, body)
		s.idle(time.Minute)
		s.idle(6 * time.Minute)
		if s.flows = s.Finish(s.flows); len(s.flows) != 0 || s.ts.Stats().Waiting.Lost.Sets != 1 {
			t.Errorf("%s: %+v, %+v", name, s.flows, s.ts.Stats().Waiting)
		}
	}
}

func TestDataOfAThirdPortIsAmbiguousWhereTwoDisagree(t *testing.T) {
	third := netip.AddrPortFrom(exporterA, 50003)
	s := newSession(netflow.Config{})
	s.hear(first, 0, firstTemplate)
	s.hear(second, 0, otherTemplate)
	s.hear(third, 0, firstData)
	s.idle(time.Minute)
	s.flows = s.Finish(s.flows)
	s.idle(6 * time.Minute)
	w := s.ts.Stats().Waiting
	if len(s.flows) != 0 || w.Ambiguous != (netflow.SetCount{Sets: 1, Bytes: 16}) || w.Lost.Sets != 1 {
		t.Errorf("%d flows, %+v", len(s.flows), w)
	}
	if all := s.ts.Missing(); len(all) != 1 || all[0].Port != 50003 {
		t.Errorf("%+v", all)
	}
	// The first says nothing for hours: its template is out of use.
	s.hear(second, 3*time.Hour, otherTemplate)
	s.hear(third, 3*time.Hour, otherData)
	if n := s.idle(3*time.Hour + time.Minute); n != 1 {
		t.Errorf("%d flows, %+v", n, s.ts.Stats().Waiting)
	}
	s.check(t)
}

func TestAPortThatAnnouncesAtLastIsReadByItsOwn(t *testing.T) {
	s := newSession(netflow.Config{})
	s.hear(first, 0, firstTemplate)
	s.hear(second, 0, firstData)
	s.idle(time.Minute)
	if n := s.hear(second, 2*time.Minute, otherTemplate, otherData); n != 1 || len(s.flows) != 2 {
		t.Errorf("%d flows, %d in all", n, len(s.flows))
	}
	s.check(t)
}

func TestAnExporterThatStartsAgainLeavesNothingBehind(t *testing.T) {
	s := newSession(netflow.Config{})
	gone := 0
	s.ts.OnChange(func(_, value []byte) {
		if value == nil {
			gone++
		}
	})
	for i := range 100 {
		at := time.Duration(i) * 3 * time.Hour
		if n := s.hear(netip.AddrPortFrom(exporterA, uint16(1000+i)), at, firstTemplate, firstData); n != 1 {
			t.Fatalf("%d flows", n)
		}
	}
	if all := s.ts.List(); len(all) > 3 || gone != 100-len(all) {
		t.Errorf("%d templates are held, %d told as gone", len(all), gone)
	}
	s.check(t)
}

func TestAFloodOfPortsIsBounded(t *testing.T) {
	s := newSession(netflow.Config{MaxPerExporter: 50})
	s.hear(first, 0, firstTemplate, firstData)
	flood := func(from, n int) uint64 {
		for i := range n {
			port := netip.AddrPortFrom(exporterA, uint16(from+i))
			s.hear(port, time.Duration(i)*time.Millisecond, set(2, template(uint16(300+i%100), ends...)), set(999, endsOf()))
			if i%10 == 0 {
				s.hear(first, 0, firstData)
			}
			s.flows = s.flows[:0]
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := flood(2000, 6_000)
	if after := flood(10_000, 40_000); after > before+2<<20 {
		t.Errorf("%d bytes before, %d after", before, after)
	}
	if st := s.ts.Stats(); st.Held != 50 || st.Exporters != 1 || st.Missing > 4096 {
		t.Errorf("%+v", st)
	}
	if n := s.hear(first, 0, firstData); n != 1 {
		t.Error("the flood has pushed out a template that is in use")
	}
	s.check(t)
}

func TestRatesAreThoseOfThePortUnlessItIsNoExporterOfItsOwn(t *testing.T) {
	rate := func(n uint32) [][]byte {
		return [][]byte{set(3, u16(400), u16(2), u16(1), specifiers([]fld{f(149, 4)}), specifiers([]fld{f(34, 4)})), set(400, u32(1), u32(n))}
	}
	third := netip.AddrPortFrom(exporterA, 50003)
	t.Run("two exporters", func(t *testing.T) {
		s := newSession(netflow.Config{})
		s.hear(first, 0, append(rate(100), firstTemplate)...)
		s.hear(second, 0, otherTemplate)
		s.hear(first, 0, firstData)
		s.hear(second, 0, otherData)
		s.hear(second, 0, rate(7)...)
		s.hear(second, 0, otherData)
		var got []uint32
		for _, f := range s.flows {
			got = append(got, f.Exporter.Sampling)
		}
		if diff := cmp.Diff([]uint32{100, 0, 7}, got); diff != "" {
			t.Error(diff)
		}
		s.check(t)
	})
	t.Run("a port for options, one for templates, one for data", func(t *testing.T) {
		s := newSession(netflow.Config{})
		s.hear(first, 0, rate(100)...)
		s.hear(second, 0, otherTemplate, otherData)
		s.hear(third, 0, otherData)
		s.idle(time.Minute)
		if s.check(t); len(s.flows) != 2 || s.flows[0].Exporter.Sampling != 100 || s.flows[1].Exporter.Sampling != 100 {
			t.Errorf("%+v", s.flows)
		}
	})
}

func TestSessionsAreSharedWithOtherProcesses(t *testing.T) {
	here, there := newSession(netflow.Config{}), newSession(netflow.Config{})
	var changes published
	here.ts.OnChange(changes.add(there.ts))
	here.hear(first, 0, firstTemplate)
	here.hear(second, 0, otherTemplate)
	changes.load(t)
	if there.hear(first, 0, firstData)+there.hear(second, 0, otherData) != 2 {
		t.Errorf("%d flows", len(there.flows))
	}
	there.hear(netip.AddrPortFrom(exporterA, 50003), 0, otherData)
	there.idle(time.Minute)
	if len(there.flows) != 2 || there.ts.Stats().Waiting.Ambiguous.Sets != 1 {
		t.Errorf("%d flows, %+v", len(there.flows), there.ts.Stats().Waiting)
	}
	here.hear(second, 0, set(2, template(256))) // withdrawn
	changes.load(t)
	if there.hear(second, time.Second, otherData) != 0 || there.hear(first, time.Second, firstData) != 1 {
		t.Errorf("one port withdraws what another announced")
	}
	there.check(t)
}

func TestTheHeaderNamesThePortOfAnExporterOfItsOwn(t *testing.T) {
	s := newSession(netflow.Config{})
	s.hear(first, 0, firstTemplate)
	if p := s.Header().Port; p != first.Port() {
		t.Errorf("port %d", p)
	}
	s.hear(second, 0, firstData)
	if p := s.Header().Port; p != 0 {
		t.Errorf("port %d of one that has announced nothing", p)
	}
	s.DecodeFrom(nil, first, arrived, v5(1, v5record(6, 1, 2)))
	if p := s.Header().Port; p != 0 {
		t.Errorf("port %d in v5", p)
	}
}
