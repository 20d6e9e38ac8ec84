package detect_test

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

func TestEachOrientationRuleDecidesItsCase(t *testing.T) {
	server := netip.MustParseAddr("203.0.113.53")
	client := scanner
	tcp := func(flags uint16, packets uint64, srcPort, dstPort uint16) schema.Flow {
		f := contactOf(client, server, schema.TCP, dstPort, 0)
		f.Src.Port, f.Src.TCPFlags, f.Src.Packets = srcPort, flags, packets
		return f
	}
	said := func(i schema.Initiator) schema.Flow {
		f := tcp(schema.ACK, 5, 80, 50000)
		f.Initiator = i
		return f
	}
	const S, A, R, P, F = schema.SYN, schema.ACK, schema.RST, schema.PSH, schema.FIN
	for _, c := range []struct {
		name    string
		flow    schema.Flow
		by      schema.Orientation
		swapped bool
	}{
		{"the exporter says the source", said(schema.InitiatorSrc), schema.OrientExporter, false},
		{"the exporter says the other", said(schema.InitiatorDst), schema.OrientExporter, true},
		{"a lone SYN", tcp(S, 1, 50000, 22), schema.OrientFlags, false},
		{"a lone SYN from a service port", tcp(S, 1, 53, 50000), schema.OrientFlags, false},
		{"a SYN with ECN", tcp(S|schema.ECE|schema.CWR, 1, 50000, 22), schema.OrientFlags, false},
		{"a SYN and its RST", tcp(S|R, 2, 50000, 22), schema.OrientFlags, false},
		{"one SYN+ACK", tcp(S|A, 1, 22, 50000), schema.OrientFlags, true},
		{"SYN and ACK over a session", tcp(S|A|P|F, 9, 50000, 9999), schema.OrientNone, false},
		{"a refusal", tcp(R|A, 1, 8080, 41000), schema.OrientFlags, true},
		{"a client's reset", tcp(R, 1, 50000, 443), schema.OrientNone, false},
		{"a client's reset towards a high service", tcp(R|A, 1, 50000, 8443), schema.OrientNone, false},
		{"a session from a service port", tcp(A|P, 9, 443, 50000), schema.OrientService, true},
		{"between two services", tcp(A|P, 9, 80, 443), schema.OrientNone, false},
		{"from a service to a low port", tcp(A|P, 9, 80, 1024), schema.OrientNone, false},
	} {
		f := c.flow
		detect.Orient(&f, detect.ServicePorts[:])
		if f.Orientation != c.by || f.Swapped != c.swapped {
			t.Errorf("%s: by %s, swapped %v", c.name, f.Orientation, f.Swapped)
		}
		once := f
		detect.Orient(&f, detect.ServicePorts[:])
		if f != once {
			t.Errorf("%s: orienting again changed it", c.name)
		}
	}
}

func TestTheServicePortRuleIsIdempotentForAllPairsOfListedPorts(t *testing.T) {
	for _, src := range detect.ServicePorts {
		for _, dst := range detect.ServicePorts {
			f := udp(scanner, target(1), dst, 0)
			f.Src.Port = src
			once := f
			detect.Orient(&once, detect.ServicePorts[:])
			if once.Swapped {
				t.Errorf("%d to %d was swapped, both are services", src, dst)
			}
			twice := once
			detect.Orient(&twice, detect.ServicePorts[:])
			if twice != once {
				t.Errorf("%d to %d: again differs", src, dst)
			}
		}
	}
}

func TestARecordAndItsReverseAreOrientedAlikeWhateverTheirOrder(t *testing.T) {
	server := netip.MustParseAddr("203.0.113.53")
	rapid.Check(t, func(t *rapid.T) {
		port := rapid.Uint16Range(1, 30000).Draw(t, "port")
		ask := udp(scanner, server, port, 0)
		ask.Src.Port = rapid.Uint16Range(32768, 60999).Draw(t, "client port")
		answer := reply(ask, 1, 0)
		answer.Start = ask.Start.Add(time.Millisecond)
		flows := []schema.Flow{ask, answer}
		if rapid.Bool().Draw(t, "answer first") {
			flows[0], flows[1] = flows[1], flows[0]
		}
		p := detect.NewPairing(64, detect.ServicePorts[:])
		if rapid.Bool().Draw(t, "one batch") {
			p.Orient(flows)
		} else {
			p.Orient(flows[:1])
			p.Orient(flows[1:])
			flows = flows[1:] // the first of two batches cannot know
		}
		for _, f := range flows {
			if f.Src.Addr != scanner || f.Orientation == schema.OrientNone {
				t.Fatalf("%s:%d to %s:%d by %s", f.Src.Addr, f.Src.Port, f.Dst.Addr, f.Dst.Port, f.Orientation)
			}
		}
	})
}

func TestOrientationCountsEveryFlowOnce(t *testing.T) {
	p := detect.NewPairing(64, detect.ServicePorts[:])
	flows := []schema.Flow{
		syn(scanner, target(1), 22, 0), udp(scanner, target(1), 9999, 0), reply(udp(scanner, target(1), 53, 0), 1, 0),
	}
	flows[0].Orientation = schema.OrientNone
	p.Orient(flows)
	want := detect.OrientStats{By: [5]uint64{schema.OrientNone: 1, schema.OrientFlags: 1, schema.OrientService: 1}, Swapped: 1}
	if p.Stats != want {
		t.Errorf("%+v", p.Stats)
	}
}
