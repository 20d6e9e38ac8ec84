//go:build linux

package live_test

import (
	"net/netip"
	"syscall"
	"testing"
)

// These tests need no namespaces: their router sends over the loopback.

// templatesTopic is the setting by which ingests share what was announced to one of them.
const templatesTopic = "templates-topic"

func TestATemplateThatChangesWithEveryAnnouncementDecodesWhatFollowsItAndNothingElse(t *testing.T) {
	s := newStores(t)
	in := s.launch("ingest")
	to := in.listens()
	r := newRouter(t)
	for i := range 60 {
		l := layouts[i%len(layouts)]
		if i%2 == 0 {
			r.announce(to, l)
			r.data(to, l, 5)
		} else {
			r.send(to, r.template(l), r.records(l, 5)) // both in one datagram
		}
		r.data(to, l, 4)
	}
	receives(t, in, 150)
	checkSources(t, r.sent, s.flows())
	if m := in.metrics(); m.what("templates_new") != 60 || m.what("sets_no_template") != 0 {
		t.Errorf("%d templates are counted as new, want each of 60; %d sets had none", m.what("templates_new"), m.what("sets_no_template"))
	}
}

func TestAnIngestDecodesWhatWasAnnouncedToAnother(t *testing.T) {
	needsSetting(t)
	s := newStores(t)
	topic := "--" + templatesTopic + "=live.templates"
	first, second := s.launch("ingest", topic), s.launch("ingest", topic)
	for _, p := range []*program{first, second} {
		p.becomesReady()
	}
	r := newRouter(t)
	for i, l := range layouts { // and again when it changes
		r.announce(first.listens(), l)
		r.data(first.listens(), l, 3)
		eventually(t, "what the first was told decodes there", func() bool { return decodedAll(first) })
		// A changed template takes a moment through Kafka, in which the second would read with the old one.
		eventually(t, "the second has heard of it", func() bool { return second.metrics().learned() >= uint64(i+1) })
		r.data(second.listens(), l, 10)
		produces(t, len(r.sent), first, second)
	}
	checkSources(t, r.sent, s.flows())
}

func TestAnIngestThatIsRestartedStillKnowsTheTemplatesOrCountsWhatItCannotRead(t *testing.T) {
	s := newStores(t)
	shared := has(t, "ingest", templatesTopic)
	var flags []string
	if shared {
		flags = append(flags, "--"+templatesTopic+"=live.templates")
	}
	first := s.launch("ingest", flags...)
	to, r := first.listens(), newRouter(t)
	first.becomesReady()
	r.announce(to, layouts[0])
	r.data(to, layouts[0], 10)
	receives(t, first, 2)
	if code := first.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("ingest ended with %d", code)
	}

	second := s.launch("ingest", append(flags, "--listen="+to.String())...)
	second.becomesReady()
	before := len(r.sent)
	r.data(to, layouts[0], 10) // the router has not announced again
	if shared {
		produces(t, 10, second)
		checkSources(t, r.sent, s.flows())
		return
	}
	eventually(t, "what came without its template is counted", func() bool { return second.metrics().what("sets_no_template") == 1 })
	unread := sourcesAfter(r, before)
	r.announce(to, layouts[0])
	r.data(to, layouts[0], 10)
	receives(t, second, 3)
	got := map[netip.Addr]bool{}
	for _, f := range s.flows() {
		got[f.source] = true
	}
	for source := range r.sent {
		// What waited for its template may have been read when that came.
		if !got[source] && !unread[source] {
			t.Errorf("the flow of %v is lost without a name", source)
		}
	}
}

func needsSetting(t *testing.T) {
	t.Helper()
	if !has(t, "ingest", templatesTopic) {
		t.Skipf("this ingest has no setting %s: what is announced to one is not known to another", templatesTopic)
	}
}

// sourcesAfter are those that were made after the first n.
func sourcesAfter(r *router, n int) map[netip.Addr]bool {
	after := map[netip.Addr]bool{}
	for i := n + 1; i <= int(r.next); i++ {
		after[netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)})] = true
	}
	return after
}

// receives waits until ingest has had so many datagrams, and produced all its flows.
func receives(t *testing.T, in *program, datagrams uint64) {
	t.Helper()
	eventually(t, "all datagrams are received and their flows produced", func() bool {
		return in.metrics()[`datagrams_total{fate="received"}`] == datagrams && decodedAll(in)
	})
}

func decodedAll(in *program) bool {
	m := in.metrics()
	return m.what("records_flows") > 0 && m[`flows_total{fate="produced"}`] == m.what("records_flows") && m["flows_pending"] == 0
}

// produces waits until the ingests together have produced so many flows.
func produces(t *testing.T, flows int, all ...*program) {
	t.Helper()
	sum := uint64(0)
	if !within(func() bool {
		sum = 0
		for _, in := range all {
			sum += in.metrics()[`flows_total{fate="produced"}`]
		}
		return sum == uint64(flows)
	}) {
		t.Fatalf("%d flows are produced, want %d", sum, flows)
	}
}

// checkSources: each that was sent is in Kafka once, and no other is.
func checkSources(t *testing.T, sent map[netip.Addr]bool, flows []flow) {
	t.Helper()
	got := map[netip.Addr]int{}
	for _, f := range flows {
		got[f.source]++
		if !sent[f.source] || f.packets != 12 {
			t.Errorf("a flow of %v with %d packets was never sent: it was read along another template", f.source, f.packets)
		}
	}
	for source := range sent {
		if got[source] != 1 {
			t.Errorf("the flow of %v is in Kafka %d times", source, got[source])
		}
	}
}
