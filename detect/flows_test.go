package detect_test

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

var (
	noon     = schema.TimeOf(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	exporter = netip.MustParseAddr("192.0.2.1")
	scanner  = netip.MustParseAddr("198.51.100.7")
)

// target returns the n-th address of 10.0.0.0/8.
func target(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// contactOf is a flow of one direction, seen at noon plus after.
func contactOf(src, dst netip.Addr, proto uint8, port uint16, after time.Duration) schema.Flow {
	at := noon.Add(after)
	return schema.Flow{
		Exporter: schema.Exporter{Addr: exporter, Type: schema.NetFlowV9},
		Received: at.Add(time.Second), Start: at, End: at,
		Src:   schema.Side{Addr: src, Port: 40000 + port%20000, Packets: 1, Bytes: 44},
		Dst:   schema.Side{Addr: dst, Port: port},
		Proto: proto,
	}
}

// syn is a probe without an answer.
func syn(src, dst netip.Addr, port uint16, after time.Duration) schema.Flow {
	f := contactOf(src, dst, schema.TCP, port, after)
	f.Src.TCPFlags = schema.SYN
	f.Orientation = schema.OrientFlags
	return f
}

// session is a conversation in which both sides sent data.
func session(src, dst netip.Addr, port uint16, after time.Duration) schema.Flow {
	f := contactOf(src, dst, schema.TCP, port, after)
	f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags = 12, 2000, schema.SYN|schema.ACK|schema.PSH|schema.FIN
	f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 10, 9000, schema.SYN|schema.ACK|schema.PSH|schema.FIN
	f.Orientation = schema.OrientFlags
	return f
}

func udp(src, dst netip.Addr, port uint16, after time.Duration) schema.Flow {
	return contactOf(src, dst, schema.UDP, port, after)
}

func ping(src, dst netip.Addr, after time.Duration) schema.Flow {
	f := contactOf(src, dst, schema.ICMP, 0, after)
	f.Src.Port, f.ICMPType = 0, 8
	return f
}

// tester is a testing.TB or a rapid.T.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func newDetector(t tester, change func(*detect.Config)) *detect.Detector {
	t.Helper()
	cfg := detect.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	d, err := detect.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// alertsOf returns all that is said of flows, one by one, and at their end.
func alertsOf(t tester, d *detect.Detector, flows []schema.Flow) []schema.Alert {
	t.Helper()
	var all []schema.Alert
	for i := range flows {
		all = append(all, d.Observe(flows[i:i+1], int64(i))...)
	}
	all = append(all, d.Finish("end of input")...)
	checkLives(t, all)
	checkSum(t, d)
	return all
}

// checkLives: every alert opens once, is updated, and closes; a closed one goes on
// only because its scanner got in, and closes again. Revisions count up.
func checkLives(t tester, alerts []schema.Alert) {
	t.Helper()
	last := map[string]schema.Alert{}
	for _, a := range alerts {
		before, known := last[a.ID]
		switch {
		case a.Revision != before.Revision+1:
			t.Fatalf("%s: revision %d after %d", a.ID, a.Revision, before.Revision)
		case known == (a.State == schema.Open),
			before.State == schema.Close && (a.State != schema.Update || a.Severity != schema.Critical || !strings.HasPrefix(a.Reason, gotIn)):
			t.Fatalf("%s: %s after %q", a.ID, a.State, before.State)
		}
		last[a.ID] = a
	}
	for id, a := range last {
		if a.State != schema.Close {
			t.Fatalf("%s never closed", id)
		}
	}
}

func checkSum(t tester, d *detect.Detector) {
	t.Helper()
	stats := d.Stats()
	var sum uint64
	for _, n := range stats.Fates {
		sum += n
	}
	if sum != stats.Consumed {
		t.Fatalf("%d flows consumed, fates add up to %d: %+v", stats.Consumed, sum, stats)
	}
}

// finals keeps the last revision of each alert, in the order in which they closed first.
func finals(alerts []schema.Alert) []schema.Alert {
	var closed []schema.Alert
	for _, a := range alerts {
		if a.State != schema.Close {
			continue
		}
		if at := slices.IndexFunc(closed, func(c schema.Alert) bool { return c.ID == a.ID }); at >= 0 {
			closed[at] = a
			continue
		}
		closed = append(closed, a)
	}
	return closed
}
