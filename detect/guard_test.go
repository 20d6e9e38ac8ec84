package detect_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/schema"
)

// keptSilent is what the guards of d have counted, without those that counted nothing.
func keptSilent(d *detect.Detector) map[string]uint64 {
	stats, counts := d.Stats(), map[string]uint64{}
	for name, n := range stats.Guards {
		if n > 0 {
			counts[name] = n
		}
	}
	return counts
}

func TestEveryGuardCountsWhatItKeepsSilent(t *testing.T) {
	server := netip.MustParseAddr("203.0.113.53")
	changed := func(f schema.Flow, change func(*schema.Flow)) []schema.Flow {
		change(&f)
		return []schema.Flow{f}
	}
	var outage []schema.Flow
	for i := range 25 {
		outage = append(outage, session(target(5000), target(i), 8443, time.Duration(i)*time.Second))
	}
	for i := range 12 * 25 { // each of twelve clients would cross at the last
		outage = append(outage, syn(target(6000+i%12), target(i/12), 8443, time.Hour+time.Duration(i)*time.Second/2))
	}
	var quic, cut, peers, blind []schema.Flow
	outside := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}) }
	for i := range 120 {
		quic = append(quic, session(target(1), outside(i), 443, time.Duration(i)*time.Second), udp(target(1), outside(i), 443, time.Duration(i)*time.Second))
	}
	for i := range 60 {
		cut = append(cut, syn(target(1), outside(i), 443, time.Duration(i)*time.Second))
	}
	for i := range 12 + 30 {
		f := udp(target(1), outside(i), uint16(6881+max(0, 12-i)), time.Duration(i)*time.Second)
		f.Src.Port = 51413
		peers = append(peers, f)
	}
	for i := range 33 {
		f := session(target(100+i), outside(i), 8443, time.Duration(i)*time.Second)
		f.Dst.Packets, f.Dst.Bytes, f.Dst.TCPFlags = 0, 0, 0
		blind = append(blind, f)
	}
	var twin, named []schema.Flow
	for i := range uint16(15) { // so many that fail make a vertical scan
		at := time.Duration(i) * time.Second
		twin = append(twin, session(target(1), outside(1), 4001+i, at), syn(target(1), outside(2), 4001+i, time.Minute+at))
		named = append(named, session(target(1), outside(1), 21, at), syn(target(1), outside(1), 50000+i, at))
	}
	slices.SortStableFunc(twin, func(a, b schema.Flow) int { return int(a.Start - b.Start) })
	blind = append(blind, udp(target(1), outside(1), 161, time.Minute))
	var monitor []schema.Flow
	for i := range 60 + 8 { // so many failed before a rule is asked
		f := ping(target(5000), target(i), time.Duration(i)*time.Second)
		if i < 60 {
			f.Dst.Packets, f.Dst.Bytes = 1, 84
		}
		monitor = append(monitor, f)
	}
	cases := []struct {
		guard string
		flows []schema.Flow
		want  uint64
	}{
		{"no_address", changed(syn(scanner, target(1), 22, 0), func(f *schema.Flow) { f.Dst.Addr = netip.Addr{} }), 1},
		{"same_address", []schema.Flow{syn(scanner, scanner, 22, 0)}, 1},
		{"multicast", []schema.Flow{udp(scanner, netip.MustParseAddr("224.0.0.251"), 5353, 0)}, 1},
		{"nat_event", changed(syn(scanner, target(1), 22, 0), flowtest.Exported["translated"]), 1},
		{"flow_event", changed(syn(scanner, target(1), 22, 0), flowtest.Exported["created"]), 1},
		{"no_port", append(changed(udp(scanner, target(1), 53, 0), flowtest.Exported["fragments"]), changed(syn(scanner, target(1), 22, 0), flowtest.Exported["without-ports"])...), 2},
		{"undecided", changed(udp(server, target(1), 51000, 0), func(f *schema.Flow) { f.Src.Port = 27015 }), 1},
		{"service_peers", changed(udp(server, target(1), 123, 0), func(f *schema.Flow) { f.Src.Port = 123 }), 1},
		{"icmp_reply", changed(ping(server, target(1), 0), func(f *schema.Flow) { f.ICMPType = 0 }), 1},
		{"backscatter", oriented([]schema.Flow{reply(syn(target(1), server, 8443, 0), 1, schema.SYN|schema.ACK)}), 1},
		{"service_answer", oriented([]schema.Flow{reply(udp(target(1), server, 53, 0), 1, 0)}), 1},
		{"same_target", []schema.Flow{syn(scanner, target(1), 22, 0), syn(scanner, target(1), 22, time.Second), syn(scanner, target(2), 22, 2*time.Second), syn(scanner, target(1), 22, 3*time.Second)}, 2},
		{"good_before", []schema.Flow{session(server, target(1), 22, 0), syn(server, target(1), 22, time.Second), syn(server, target(2), 22, 2*time.Second), syn(server, target(1), 22, 3*time.Second)}, 2},
		{"outage", outage, 12},
		{"fallback", quic, 1},
		{"cut_off", cut, 1},
		{"peer_to_peer", peers, 1},
		{"works_elsewhere", twin, 1},
		{"named_ports", named, 1},
		{"one_way", blind, 1},
		{"discovery", []schema.Flow{udp(target(1), target(2), 3702, 0)}, 1},
		{"ping_monitor", monitor, 1},
		{"server_call", oriented(ftp(1)), 1},
		{"keep_alive", changed(syn(server, target(1), 50000, 0), func(f *schema.Flow) { f.Src.Port, f.Src.TCPFlags, f.Orientation = 8443, schema.ACK, schema.OrientNone }), 1},
		{"traceroute", []schema.Flow{udp(scanner, target(1), 33434, 0)}, 1},
		{"flood", append(changed(syn(scanner, target(1), 80, 0), func(f *schema.Flow) { f.Src.Packets, f.Src.Bytes = 4000, 4000*44 }),
			changed(udp(scanner, target(2), 9, 0), func(f *schema.Flow) { f.Src.Packets = 4 })...), 2},
		{"exception", []schema.Flow{syn(target(7777), target(1), 22, 0)}, 1},
	}
	tested := map[string]bool{}
	for _, c := range cases {
		tested[c.guard] = true
		d := newDetector(t, func(cfg *detect.Config) {
			if slices.Contains([]string{"cut_off", "discovery", "fallback", "peer_to_peer"}, c.guard) {
				cfg.Internal = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			}
		})
		d.SetExceptions([]detect.Exception{{Sources: []netip.Prefix{netip.PrefixFrom(target(7777), 32)}}})
		if alerts := alertsOf(t, d, c.flows); len(alerts) > 0 {
			t.Errorf("%s: %s", c.guard, alerts[0].Reason)
		}
		if diff := cmp.Diff(map[string]uint64{c.guard: c.want}, keptSilent(d)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.guard, diff)
		}
	}
	stats := newDetector(t, nil).Stats()
	for name := range stats.Guards {
		if !tested[name] {
			t.Errorf("nothing tests %s", name)
		}
	}
}

// Four packets to a port are more than traceroute sends there: whatever they are, it
// is another guard that answers for them.
func TestTracerouteSendsThreePacketsToAPort(t *testing.T) {
	for packets, guard := range map[uint64]string{3: "traceroute", 4: "flood"} {
		f := udp(scanner, target(1), 33440, 0)
		f.Src.Packets = packets
		d := newDetector(t, nil)
		d.Observe([]schema.Flow{f}, 0)
		if got := keptSilent(d); got[guard] != 1 {
			t.Errorf("%d packets: %v", packets, got)
		}
	}
}
