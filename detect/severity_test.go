package detect_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// known is sessions with the first hosts, by a client of their own network.
func known(hosts int, after time.Duration) (flows []schema.Flow) {
	for i := range hosts {
		flows = append(flows, session(target(1<<20), target(1+i), 443, after))
	}
	return flows
}

func tens(c *detect.Config) { c.Internal = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }

// last observes flows and returns the severity of what is said at the end.
func last(t *testing.T, d *detect.Detector, flows []schema.Flow) schema.Severity {
	t.Helper()
	closed := finals(alertsOf(t, d, flows))
	if len(closed) != 1 {
		t.Fatalf("%d alerts: %+v", len(closed), closed)
	}
	return closed[0].Severity
}

func TestAScanFromOutsideMattersWhenItReachesAGoodPartOfTheHostsThatAnswer(t *testing.T) {
	// sweep goes over 60 hosts, the first of which are known.
	sweep := func(reached int, after time.Duration) (flows []schema.Flow) {
		for i := range 60 {
			host := target(1 + i)
			if i >= reached {
				host = target(1<<19 + i)
			}
			flows = append(flows, syn(scanner, host, 22, after+time.Duration(i)*time.Second))
		}
		return flows
	}
	abroad := known(100, 0)
	for i := range abroad {
		abroad[i].Dst.Addr = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
	}
	// old is known hosts, and event time that goes on without them.
	old := known(40, 0)
	for at := time.Minute; at < 49*time.Hour; at += time.Minute {
		old = append(old, session(target(1<<20), target(5000), 443, at))
	}
	for _, c := range []struct {
		name string
		held []schema.Flow
		scan []schema.Flow
		want schema.Severity
	}{
		{"12 of 40", known(40, 0), sweep(12, time.Minute), schema.Medium},
		{"11 of 40", known(40, 0), sweep(11, time.Minute), schema.Low},
		{"all of nine", known(9, 0), sweep(9, time.Minute), schema.Low},
		{"all of ten", known(10, 0), sweep(10, time.Minute), schema.Medium},
		{"hosts elsewhere that answer are not counted", append(abroad, known(20, 0)...), sweep(12, time.Minute), schema.Medium},
		{"what is forgotten after the window", old, sweep(40, 49*time.Hour), schema.Low},
		{"half of 1,000, of a scan that is held as a sample", known(1000, 0), horizontalScan(5000, 22, 40*time.Millisecond)[500:], schema.Medium},
		{"a tenth of them", known(1000, 0), horizontalScan(5000, 22, 40*time.Millisecond)[900:], schema.Low},
	} {
		d := newDetector(t, tens)
		d.Observe(c.held, 0)
		if got := last(t, d, c.scan); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestPoorEvidenceIsMediumAtMostUnlessTheScannerGotIn(t *testing.T) {
	inside := target(1 << 20)
	scan := func(n int, change func(*schema.Flow)) (flows []schema.Flow) {
		for i := range n {
			f := syn(inside, target(1+i), 22, time.Duration(i)*time.Second/2)
			change(&f)
			flows = append(flows, f)
		}
		return flows
	}
	for _, c := range []struct {
		name  string
		flows []schema.Flow
		want  schema.Severity
	}{
		{"lone SYNs", scan(60, func(*schema.Flow) {}), schema.High},
		{"lone ACKs", scan(600, func(f *schema.Flow) { f.Src.TCPFlags = schema.ACK }), schema.Medium},
		{"no flags", scan(60, func(f *schema.Flow) { f.Src.TCPFlags = 0 }), schema.Medium},
		{"sampled", scan(60, func(f *schema.Flow) { f.Exporter.Sampling = 100 }), schema.Medium},
	} {
		if got := last(t, newDetector(t, tens), c.flows); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		end := c.flows[len(c.flows)-1].Start.Sub(noon)
		got := last(t, newDetector(t, tens), append(c.flows, session(inside, target(7), 22, end+time.Minute)))
		if got != schema.Critical {
			t.Errorf("%s and a session: %s", c.name, got)
		}
	}
}
