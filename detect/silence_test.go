package detect_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// oriented runs flows through ingest's orientation, a datagram of ten at a time.
func oriented(flows []schema.Flow) []schema.Flow {
	p := detect.NewPairing(1024, detect.ServicePorts[:])
	for i := 0; i < len(flows); i += 10 {
		p.Orient(flows[i:min(i+10, len(flows))])
	}
	return flows
}

// reply is the answering side's own record.
func reply(f schema.Flow, packets uint64, flags uint16) schema.Flow {
	f.Src.Addr, f.Dst.Addr = f.Dst.Addr, f.Src.Addr
	f.Src.Port, f.Dst.Port = f.Dst.Port, f.Src.Port
	f.Src.Packets, f.Src.Bytes, f.Src.TCPFlags = packets, packets*60, flags
	f.Orientation = schema.OrientNone
	return f
}

func TestOrdinaryTrafficIsSilent(t *testing.T) {
	server := netip.MustParseAddr("203.0.113.53")
	each := func(n int, f func(i int, after time.Duration) []schema.Flow) (flows []schema.Flow) {
		for i := range n {
			flows = append(flows, f(i, time.Duration(i)*50*time.Millisecond)...)
		}
		return flows
	}
	for _, c := range []struct {
		name  string
		flows []schema.Flow
	}{
		{"a resolver with its answers", each(5000, func(i int, at time.Duration) []schema.Flow {
			q := udp(server, target(i), 53, at)
			return []schema.Flow{q, reply(q, 1, 0)}
		})},
		{"a DNS server whose queries were not seen", each(5000, func(i int, at time.Duration) []schema.Flow {
			return []schema.Flow{reply(udp(target(i%50), server, 53, at), 1, 0)}
		})},
		{"a web server whose requests were not seen", each(5000, func(i int, at time.Duration) []schema.Flow {
			return []schema.Flow{reply(syn(target(i), server, 443, at), 5, schema.SYN|schema.ACK|schema.PSH|schema.FIN)}
		})},
		{"SYN-ACK backscatter to thousands of hosts", each(5000, func(i int, at time.Duration) []schema.Flow {
			return []schema.Flow{reply(syn(target(i), server, 8443, at), 1, schema.SYN|schema.ACK)}
		})},
		{"RST backscatter", each(5000, func(i int, at time.Duration) []schema.Flow {
			return []schema.Flow{reply(syn(target(i), server, 80, at), 1, schema.RST|schema.ACK)}
		})},
		{"thousands of retries to one dead database", each(5000, func(_ int, at time.Duration) []schema.Flow {
			return []schema.Flow{syn(server, target(1), 5432, at)}
		})},
		{"a proxy with 97 % good sessions", each(3000, func(i int, at time.Duration) []schema.Flow {
			if i%33 == 0 {
				return []schema.Flow{syn(server, target(i), 443, at)}
			}
			return []schema.Flow{session(server, target(i), 443, at)}
		})},
		{"traceroute", each(90, func(i int, at time.Duration) []schema.Flow {
			return []schema.Flow{udp(server, target(1), uint16(33434+i), at)}
		})},
		{"mDNS and broadcast", each(500, func(i int, at time.Duration) []schema.Flow {
			return []schema.Flow{
				udp(server, netip.AddrFrom4([4]byte{224, 0, byte(i), 251}), 5353, at),
				udp(server, netip.MustParseAddr("255.255.255.255"), uint16(1000+i), at),
			}
		})},
		{"clients that tear idle sessions down", each(2000, func(i int, at time.Duration) []schema.Flow {
			f := contactOf(target(1), server, schema.TCP, 8080, at)
			f.Src.Port, f.Src.TCPFlags = uint16(32768+i), schema.RST
			return []schema.Flow{f}
		})},
		{"a SYN flood from spoofed sources", each(20000, func(i int, at time.Duration) []schema.Flow {
			return []schema.Flow{syn(netip.AddrFrom4([4]byte{byte(i >> 8), 7, byte(i), 9}), server, 80, at)}
		})},
		{"an answering service on an unlisted port", each(500, func(i int, at time.Duration) []schema.Flow {
			return []schema.Flow{reply(udp(target(i%20), server, 27015, at), 1, 0)}
		})},
		{"a service on an unlisted port that answers a NAT gateway", each(500, func(i int, at time.Duration) []schema.Flow {
			f := contactOf(server, target(1), schema.UDP, uint16(40000+i), at)
			f.Src.Port = 27015
			return []schema.Flow{f}
		})},
		{"BitTorrent: as many ports as peers, half of them gone", each(4000, func(i int, at time.Duration) []schema.Flow {
			peer, port := target(i), uint16(1024+(i*7919)%60000)
			if i%2 == 0 {
				return []schema.Flow{syn(server, peer, port, at)}
			}
			return []schema.Flow{session(server, peer, port, at)}
		})},
		{"a laptop that wakes up without a network", append(
			each(200, func(i int, at time.Duration) []schema.Flow {
				return []schema.Flow{session(server, target(i), 8443, at)}
			}),
			each(200, func(i int, at time.Duration) []schema.Flow {
				return []schema.Flow{syn(server, target(i), 8443, 8*time.Hour+at)}
			})...)},
		{"an outage of 30 addresses seen by 400 clients", append(
			each(3000, func(i int, at time.Duration) []schema.Flow {
				return []schema.Flow{session(target(50_000+i/100), target(i%30), 8443, at)}
			}),
			each(400*30, func(i int, at time.Duration) []schema.Flow {
				return []schema.Flow{syn(target(60_000+i%400), target(i/400), 8443, time.Hour+at/10)}
			})...)},
		{"a monitor that polls 800 hosts on three ports", each(800*3, func(i int, at time.Duration) []schema.Flow {
			if i%40 == 0 {
				return []schema.Flow{syn(server, target(i/3), uint16(8000+i%3), at)}
			}
			return []schema.Flow{session(server, target(i/3), uint16(8000+i%3), at)}
		})},
		{"passive FTP and DCE-RPC: a fresh port of one server each time", each(500, func(i int, at time.Duration) []schema.Flow {
			return []schema.Flow{session(server, target(1), uint16(49152+i), at)}
		})},
		{"a mail relay, a fifth of whose peers are gone", each(2000, func(i int, at time.Duration) []schema.Flow {
			if i%5 == 0 {
				return []schema.Flow{syn(server, target(i), 25, at)}
			}
			return []schema.Flow{session(server, target(i), 25, at)}
		})},
		{"an NTP pool server", each(5000, func(i int, at time.Duration) []schema.Flow {
			f := reply(udp(target(i), server, 123, at), 1, 0)
			if i%3 == 0 {
				f.Dst.Port = 123 // clients that ask from the service's own port
			}
			return []schema.Flow{f}
		})},
		{"the scanned server itself", each(3000, func(i int, at time.Duration) []schema.Flow {
			probe := syn(scanner, server, uint16(1+i*20), at)
			probe.Src.Port = 60000
			return []schema.Flow{reply(probe, 1, schema.RST|schema.ACK)}
		})},
		{"ICMP errors and echo replies", each(500, func(i int, at time.Duration) []schema.Flow {
			unreachable, echo := ping(server, target(i), at), ping(server, target(i), at)
			unreachable.ICMPType, echo.ICMPType = 3, 0
			return []schema.Flow{unreachable, echo}
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			flows := c.flows
			for i := range flows {
				if flows[i].Dst.Packets == 0 {
					flows[i].Orientation = schema.OrientNone
				}
			}
			for _, a := range alertsOf(t, newDetector(t, nil), oriented(flows)) {
				if a.Source == scanner {
					continue // the scan of a scanned server is one
				}
				t.Errorf("%s %s of %s: %s", a.State, a.Kind, a.Source, a.Reason)
			}
		})
	}
}

func TestAFewScannersOfHostsThatServedDoNotHideEachOther(t *testing.T) {
	var flows []schema.Flow
	for i := range 100 {
		flows = append(flows, session(target(5000), target(i), 22, time.Duration(i)*time.Second))
	}
	for i := range 400 {
		flows = append(flows, syn(target(6000+i%4), target(i/4), 22, time.Hour+time.Duration(i)*time.Second/2))
	}
	if closed := finals(alertsOf(t, newDetector(t, nil), flows)); len(closed) != 4 {
		t.Errorf("%d of four scanners found", len(closed))
	}
}

func TestAScannerIsSeenThroughItsVictimsRefusalsAloneAndThenOnlyWithManyOfThem(t *testing.T) {
	refusals := func(n int) (flows []schema.Flow) {
		for i := range n {
			f := reply(syn(scanner, target(1), uint16(1+i), time.Duration(i)*time.Second), 1, schema.RST|schema.ACK)
			f.Dst.Port = 51515
			flows = append(flows, f)
		}
		return oriented(flows)
	}
	if alerts := alertsOf(t, newDetector(t, nil), refusals(99)); len(alerts) != 0 {
		t.Errorf("99 refusals: %s", alerts[0].Reason)
	}
	closed := finals(alertsOf(t, newDetector(t, nil), refusals(150)))
	if len(closed) != 1 || closed[0].Source != scanner || closed[0].Confidence != "low" {
		t.Errorf("150 refusals: %+v", closed)
	}
}

// sampled is what an exporter that looks at one packet in many says of flows.
func sampled(flows []schema.Flow) []schema.Flow {
	for i := range flows {
		flows[i].Exporter.Sampling = 1000
		flows[i].Src.Packets, flows[i].Dst.Packets = min(flows[i].Src.Packets, 1), 0
	}
	return flows
}

func TestASampledExporterNeedsFewerTargetsAndNearlyAllOfThemProbes(t *testing.T) {
	d := newDetector(t, nil)
	closed := finals(alertsOf(t, d, sampled(horizontalScan(12, 22, time.Second))))
	if len(closed) != 1 || closed[0].Sampling != 1000 || closed[0].Confidence == "high" || closed[0].Severity != schema.Medium {
		t.Errorf("a scan: %+v", closed)
	}
	var busy []schema.Flow
	for i := range 3000 { // a proxy: of its sessions mostly data is sampled, now and then the SYN
		at := time.Duration(i) * 100 * time.Millisecond
		f := session(scanner, target(i), 443, at)
		if f.Src.TCPFlags = schema.ACK; i%12 == 0 {
			f = syn(scanner, target(i), 443, at)
		}
		busy = append(busy, f, udp(scanner, target(i), 53, at))
	}
	if alerts := alertsOf(t, newDetector(t, nil), sampled(busy)); len(alerts) != 0 {
		t.Errorf("a proxy and resolver: %s", alerts[0].Reason)
	}
}

func TestAFutureOrAncientClockIsCountedAndMovesNothing(t *testing.T) {
	d := newDetector(t, nil)
	week := syn(scanner, target(1), 22, 7*24*time.Hour)
	week.Received = noon
	none := syn(scanner, target(1), 22, 0)
	none.Start, none.End, none.Received = 0, 0, 0
	old := syn(scanner, target(1), 22, -49*time.Hour)
	for _, f := range []schema.Flow{syn(scanner, target(1), 22, 0), week, none, old} {
		d.Observe([]schema.Flow{f}, 0)
	}
	s := d.Stats()
	if s.Early != 1 || s.Timeless != 1 || s.Late != 1 || s.Counted != 1 {
		t.Errorf("%+v", s)
	}
	if now := d.Now(); !now.Equal(noon.Std()) {
		t.Errorf("the clock stands at %v", now)
	}
	checkSum(t, d)
}
