//go:build linux

package live_test

import (
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestEachRecordOfRealExportersIsAFlowOrANamedLossAndEachTellsOfItsScan(t *testing.T) {
	needs(t, "softflowd", "pmacctd", "fprobe", "nfcapd", "nfreplay", "nmap", "tcpdump", "ip", "python3", "sysctl")
	s, n := newStores(t), newNetwork(t)
	in := s.launch("ingest", "--listen=:"+port)
	for _, p := range []*program{in, s.launch("detector"), s.launch("alerter")} {
		p.becomesReady()
	}
	all := allExporters()
	recorder, file := n.tcpdump()
	keeper, kept := n.nfcapd()
	tasks := map[*exporter]*task{}
	for _, e := range all {
		n.route(e)
		tasks[e] = e.start(n, e)
	}
	clients := n.ordinary(all)
	eventually(t, "every exporter watches", func() bool { return n.sockets("router", "packet") >= len(all) })
	n.scan(all)
	n.download(all)
	for _, c := range clients {
		c.stop(syscall.SIGTERM)
	}
	time.Sleep(4 * time.Second) // not all tell at their end what they hold: the longest timeout, and a look after it
	for _, e := range all {
		tasks[e].stop(e.end)
	}
	keeper.stop(syscall.SIGTERM)
	n.replay(kept, all[len(all)-1])
	recorder.stop(syscall.SIGTERM)

	sent := heard(t, file)
	m := arrived(t, in, sent)
	s.settle()
	checkFlows(t, all, sent, s.flows(), m)
	checkAlerts(t, all, s.alerts())
}

// arrived waits until ingest has had every datagram, and all its flows are in Kafka.
func arrived(t *testing.T, in *program, sent map[netip.Addr]*said) (m metrics) {
	t.Helper()
	datagrams := uint64(0)
	for _, e := range sent {
		datagrams += uint64(e.datagrams)
	}
	came := func() uint64 {
		m = in.metrics()
		return m[`datagrams_total{fate="received"}`] + m[`datagrams_total{fate="kernel_drop"}`] + m[`datagrams_total{fate="too_long"}`]
	}
	if !within(func() bool { return came() == datagrams }) {
		t.Fatalf("tcpdump saw %d datagrams, ingest %d", datagrams, came())
	}
	eventually(t, "all flows have a fate", func() bool {
		m = in.metrics()
		fates := m[`flows_total{fate="produced"}`] + m[`flows_total{fate="queue_full"}`] + m[`flows_total{fate="failed"}`]
		return fates == m.what("records_flows") && m["flows_pending"] == 0
	})
	if lost := m[`datagrams_total{fate="kernel_drop"}`]; lost > 0 {
		t.Errorf("the kernel dropped %d of %d datagrams", lost, datagrams)
	}
	return m
}

// checkFlows: what an exporter sent is in Kafka, or was lost under a name.
func checkFlows(t *testing.T, all []*exporter, sent map[netip.Addr]*said, flows []flow, m metrics) {
	t.Helper()
	got := map[netip.Addr]int{}
	for _, f := range flows {
		got[f.exporter]++
	}
	flowsSent, named := 0, 0
	for _, what := range []string{"records_no_address", "records_cut"} {
		named += int(m.what(what))
	}
	for _, e := range all {
		its := sent[e.address()]
		if its == nil || its.datagrams == 0 {
			t.Errorf("%s sent nothing", e.name)
			continue
		}
		t.Logf("%-16s %3d datagrams, %4d flows, %2d options records; %4d flows in Kafka", e.name, its.datagrams, its.flows, its.options, got[e.address()])
		if e.version == 0 {
			checkSFlow(t, its.datagrams, got[e.address()], m)
			continue
		}
		flowsSent += its.flows
		if missing := its.flows - got[e.address()]; missing < 0 || missing > named {
			t.Errorf("%s sent %d flows, %d are in Kafka, and losses with a name are %d", e.name, its.flows, got[e.address()], named)
		}
		if its.flows < 100 {
			t.Errorf("%s told of %d flows, but 100 ports were scanned", e.name, its.flows)
		}
	}
	inKafka := len(flows) - got[sflowAddress(all)]
	if inKafka > flowsSent || inKafka+named < flowsSent {
		t.Errorf("%d flows were sent, %d are in Kafka, and losses with a name are %d", flowsSent, inKafka, named)
	}
}

func sflowAddress(all []*exporter) netip.Addr {
	return all[slices.IndexFunc(all, func(e *exporter) bool { return e.version == 0 })].address()
}

// checkSFlow: its datagrams are counted as what they are, or its samples are flows.
func checkSFlow(t *testing.T, datagrams, flows int, m metrics) {
	t.Helper()
	if counted := int(m.what("version_sflow")); flows == 0 && counted != datagrams {
		t.Errorf("of %d sFlow datagrams none became a flow, and %d are counted as sFlow", datagrams, counted)
	}
}

// checkAlerts: each exporter's scanner is told of, with its class, by it alone; and nobody else is.
func checkAlerts(t *testing.T, all []*exporter, alerts map[netip.Addr][]alert) {
	t.Helper()
	for _, e := range all {
		told := alerts[e.scanner()]
		delete(alerts, e.scanner())
		if len(told) == 0 {
			if e.version != 0 {
				t.Errorf("nothing is told of the scan that %s saw", e.name)
			}
			continue
		}
		last := told[len(told)-1]
		if last.Kind != "vertical" || !slices.Equal(last.Exporters, []netip.Addr{e.address()}) {
			t.Errorf("of the scan that %s saw is told: %+v, want vertical, by %v alone", e.name, last, e.address())
		}
	}
	for source, told := range alerts {
		t.Errorf("%v, who did not scan, is told of: %+v", source, told[0])
	}
}
