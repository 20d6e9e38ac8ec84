package detect_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// inNoOrder shuffles what flows touch, not when.
func inNoOrder(flows []schema.Flow) []schema.Flow {
	r := rand.New(rand.NewPCG(5, 6))
	r.Shuffle(len(flows), func(i, j int) { flows[i].Dst, flows[j].Dst = flows[j].Dst, flows[i].Dst })
	return flows
}

// scanOf probes each pair of them once, a hundred a second.
func scanOf(hosts []netip.Addr, ports ...uint16) (flows []schema.Flow) {
	for _, h := range hosts {
		for _, p := range ports {
			flows = append(flows, syn(scanner, h, p, time.Duration(len(flows))*10*time.Millisecond))
		}
	}
	return flows
}

func addrs(first string, n, step int) (list []netip.Addr) {
	b := netip.MustParseAddr(first).As4()
	a := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	for i := range n {
		list = append(list, ip(uint32(a+i*step)))
	}
	return list
}

func numbered(n int) (ports []uint16) {
	for i := range n {
		ports = append(ports, uint16(i+1))
	}
	return ports
}

// outline is a footprint as a person would write it.
func outline(f *schema.Footprint) string {
	text, _ := f.Ranges.MarshalText()
	if f.Bitmap != nil {
		text = []byte("bitmap")
	}
	s := fmt.Sprintf("%d %s of %s %s: %s", f.Count, f.Of, f.Prefix, f.Proto, text)
	if f.Partial {
		s += ", partial"
	}
	return s
}

func TestAnAlertShowsWhichPortsOrAddressesWereTouched(t *testing.T) {
	one := addrs("10.1.0.1", 1, 1)
	echoes := func(hosts []netip.Addr) (flows []schema.Flow) {
		for i, h := range hosts {
			flows = append(flows, ping(scanner, h, time.Duration(i)*10*time.Millisecond))
		}
		return flows
	}
	var protocols []schema.Flow
	for i := range 20 {
		protocols = append(protocols, contactOf(scanner, one[0], uint8(60+i), 0, time.Duration(i)*time.Second))
	}
	both := scanOf(one, numbered(100)...)
	for i := range 100 {
		both = append(both, udp(scanner, one[0], uint16(500+i), time.Minute))
	}
	for _, c := range []struct {
		name  string
		flows []schema.Flow
		want  []string
	}{
		{"ports of one host", scanOf(one, numbered(200)...), []string{"200 ports of 10.1.0.1/32 TCP: 1-200"}},
		{"all of its ports", inNoOrder(scanOf(one, numbered(65535)...)), []string{"65535 ports of 10.1.0.1/32 TCP: 1-65535"}},
		{"its ports over two protocols", both, []string{"100 ports of 10.1.0.1/32 TCP: 1-100", "100 ports of 10.1.0.1/32 UDP: 500-599"}},
		{"IP protocols", protocols, []string{"20 protocols of 10.1.0.1/32 : 60-79"}},
		{"addresses", scanOf(addrs("10.1.0.0", 300, 1), 22), []string{"300 addresses of 10.1.0.0/16 : 0-299"}},
		{"a whole /16", inNoOrder(scanOf(addrs("10.1.0.0", 65536, 1), 23)), []string{"65536 addresses of 10.1.0.0/16 : 0-65535"}},
		{"each other address", scanOf(addrs("10.1.0.0", 20000, 2), 23), []string{"20000 addresses of 10.1.0.0/16 : bitmap"}},
		{"a sweep of two /16s", echoes(addrs("10.1.255.0", 5000, 1)), []string{"4744 addresses of 10.2.0.0/16 : 0-4743", "256 addresses of 10.1.0.0/16 : 65280-65535"}},
		{"a /8, an address in each fourth /24", scanOf(addrs("10.1.0.0", 2000, 1024), 22), []string{
			"64 addresses of 10.1.0.0/16 : " + each(1024), "64 addresses of 10.2.0.0/16 : " + each(1024), "2000 networks of 10.0.0.0/8 : bitmap",
		}},
		{"an address in each /16 of four /8s", scanOf(addrs("10.0.0.0", 1024, 1<<16), 22), []string{"1024 networks of 0.0.0.0/0 : 2560-3583"}},
		{"few addresses of many /16s", scanOf(addrs("10.0.0.0", 100, 1<<16), 22), []string{"100 networks of 10.0.0.0/8 : " + each(256, 100)}},
		{"a block", inNoOrder(scanOf(addrs("10.1.0.0", 100, 1), numbered(40)...)), []string{
			"40 ports of 0.0.0.0/0 TCP: 1-40", "100 addresses of 10.1.0.0/16 : 0-99",
		}},
		{"a block that crosses when its set is a sample", inNoOrder(scanOf(addrs("10.1.0.0", 1000, 1), numbered(50)...)), []string{
			"50 ports of 0.0.0.0/0 TCP: 1-50", "1000 addresses of 10.1.0.0/16 : 0-999",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			closed := finals(alertsOf(t, newDetector(t, nil), c.flows))
			if len(closed) != 1 {
				t.Fatalf("%d alerts", len(closed))
			}
			var got []string
			for _, f := range closed[0].Footprint {
				got = append(got, outline(&f))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// each is every step-th number, as ranges: 64 of them, or n.
func each(step int, n ...int) (s string) {
	for i := range append(n, 64)[0] {
		s += fmt.Sprintf("%d,", i*step)
	}
	if len(n) > 0 && n[0] > 64 {
		return "bitmap"
	}
	return s[:len(s)-1]
}

func TestAFootprintHoldsWhatWasTouchedAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 9))
		spread := rapid.SampledFrom([]uint32{1 << 16, 1 << 18, 1 << 25, 1 << 28}).Draw(t, "spread")
		n := rapid.IntRange(200, 4000).Draw(t, "probes")
		var flows []schema.Flow
		touched := map[uint32]bool{}
		for i := range n {
			a := 10<<24 + r.Uint32N(spread)
			touched[a] = true
			flows = append(flows, syn(scanner, ip(a), 23, time.Duration(i)*20*time.Millisecond))
		}
		for _, a := range alertsOf(t, newDetector(t, nil), flows) {
			if a.State == schema.Close {
				checkAddresses(t, a.Footprint, touched)
			}
		}
	})
}

func checkAddresses(t *rapid.T, reported []schema.Footprint, touched map[uint32]bool) {
	whole := false
	for _, f := range reported {
		want := map[netip.Prefix]bool{}
		for a := range touched {
			if addr := ip(a); f.Prefix.Contains(addr) {
				net, _ := addr.Prefix(f.Prefix.Bits() + 16)
				want[net] = true
			}
		}
		got := map[netip.Prefix]bool{}
		for i := range f.All() {
			got[f.Network(i)] = true
		}
		if len(got) != int(f.Count) || f.Partial {
			t.Fatalf("%s has %d numbers", outline(&f), len(got))
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Fatalf("%s of %s (-touched +shown)\n%s", f.Of, f.Prefix, diff)
		}
		whole = whole || f.Of == schema.FootprintNetworks
	}
	for a := range touched {
		if !whole && !slices.ContainsFunc(reported, func(f schema.Footprint) bool { return f.Prefix.Contains(ip(a)) }) {
			t.Fatalf("%s is in no footprint", ip(a))
		}
	}
}

func TestThePortsOfAnIPv6HostAreShownAndIPv6AddressesAreNot(t *testing.T) {
	src := netip.MustParseAddr("2001:db8:1::1")
	host := func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:2::%x", i)) }
	var ports, hosts []schema.Flow
	for i := range 3000 {
		ports = append(ports, syn(src, host(1), uint16(1+i), time.Duration(i)*10*time.Millisecond))
		hosts = append(hosts, syn(src, host(i), 22, time.Duration(i)*10*time.Millisecond))
	}
	closed := finals(alertsOf(t, newDetector(t, nil), ports))
	if len(closed) != 1 || len(closed[0].Footprint) != 1 || outline(&closed[0].Footprint[0]) != "3000 ports of 2001:db8:2::1/128 TCP: 1-3000" {
		t.Errorf("%+v", closed)
	}
	if closed = finals(alertsOf(t, newDetector(t, nil), hosts)); len(closed) != 1 || len(closed[0].Footprint) != 0 {
		t.Errorf("%+v", closed)
	}
}

// What was known of it before it became a scan is only a sample by then.
func TestAScanThatBeginsAfterTheSetWasSampledHasAPartialFootprint(t *testing.T) {
	flows := scanOf(addrs("10.1.0.0", 5000, 1), 22)
	for i := range 3000 {
		flows = append(flows, syn(scanner, ip(10<<24), uint16(1000+i), 10*time.Minute+time.Duration(i)*10*time.Millisecond))
	}
	closed := finals(alertsOf(t, newDetector(t, nil), flows))
	if len(closed) != 2 || len(closed[1].Footprint) != 1 {
		t.Fatalf("%d alerts: %+v", len(closed), closed)
	}
	for i, partial := range []bool{false, true} {
		f := &closed[i].Footprint[0]
		if f.Partial != partial || f.Partial && (f.Count < 2500 || f.Count > 3000) {
			t.Error(outline(f))
		}
	}
	if a := closed[1]; a.Hosts.Count != 1 || a.TopPorts[0].Hosts != 1 {
		t.Errorf("%s hosts, %v", a.Hosts, a.TopPorts[0])
	}
}

func TestAFootprintGoesWithItsAlert(t *testing.T) {
	flows := scanOf(addrs("10.1.0.0", 5000, 1), 22)
	for i := range 2000 {
		flows = append(flows, syn(scanner, ip(10<<24|9<<16|uint32(i)), 23, 3*time.Hour+time.Duration(i)*10*time.Millisecond))
	}
	closed := finals(alertsOf(t, newDetector(t, nil), flows))
	if len(closed) != 2 || len(closed[1].Footprint) != 1 {
		t.Fatalf("%+v", closed)
	}
	if got := outline(&closed[1].Footprint[0]); got != "2000 addresses of 10.9.0.0/16 : 0-1999" {
		t.Error(got)
	}
}

func TestFootprintsAreCountedAsMemoryAndGivenBack(t *testing.T) {
	d := newDetector(t, func(c *detect.Config) { c.Window = time.Hour })
	d.Observe(inNoOrder(scanOf(addrs("10.1.0.0", 200, 1), numbered(200)...)), 0) // 400 s
	later := func(after time.Duration) uint64 {
		for i := range 60 {
			d.Observe([]schema.Flow{session(target(9), target(10), 443, after+time.Duration(i)*30*time.Second)}, 0)
		}
		return d.Stats().Bytes
	}
	during, after := later(10*time.Minute), later(3*time.Hour)
	if during-after < 1<<15 {
		t.Errorf("%d bytes with an open scan, %d without", during, after)
	}
}

// A scan that is as hard to write down as can be.
func TestTheLargestAlertStaysBelowWhatBrokersTake(t *testing.T) {
	flows := inNoOrder(scanOf(addrs("10.0.0.0", 20, 1<<13), numbered(20)...)) // a block scan of two /16s
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 150_000 {
		a := 10<<24 + r.Uint32N(2<<16)
		if i%2 == 0 {
			a = r.Uint32() | 1<<24
		}
		f := syn(scanner, ip(a), uint16(r.Uint32()|1), 5*time.Second+time.Duration(i)*time.Millisecond)
		if i%3 == 0 {
			f = udp(scanner, ip(a), uint16(r.Uint32()|1), time.Duration(i)*time.Millisecond)
		}
		flows = append(flows, f)
	}
	most, touched := 0, uint32(0)
	d := newDetector(t, nil)
	var assets []detect.Asset
	for i := range 64 { // with the longest names and words that the file may have
		assets = append(assets, detect.Asset{
			Name: fmt.Sprintf("%0*d", detect.MaxAssetName, i), Prefixes: []netip.Prefix{netip.PrefixFrom(ip(10<<24+uint32(i)<<11), 21)},
			Owner: strings.Repeat("o", 200), Role: strings.Repeat("r", 200), Criticality: schema.Critical,
		})
	}
	d.SetAssets(assets)
	for _, a := range alertsOf(t, d, flows) {
		wire, err := schema.AppendAlert(nil, &a)
		if err != nil {
			t.Fatal(err)
		}
		most, touched = max(most, len(wire)), max(touched, a.AssetsCount)
		for _, f := range a.Footprint {
			if f.Bitmap != nil {
				if text, err := f.Bitmap.MarshalText(); err != nil || len(text) > 10_940 {
					t.Errorf("%s: %d bytes, %v", outline(&f), len(text), err)
				}
			}
		}
	}
	if t.Logf("largest alert: %d bytes", most); most > 88<<10 || touched != 64 {
		t.Errorf("an alert of %d bytes, %d assets", most, touched)
	}
}
