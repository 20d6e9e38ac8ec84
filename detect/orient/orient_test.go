package orient_test

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

func TestEachOrientationRuleDecidesItsCase(t *testing.T) {
	server := netip.MustParseAddr("203.0.113.53")
	client := flowtest.Scanner
	tcp := func(flags uint16, packets uint64, srcPort, dstPort uint16) schema.Flow {
		f := flowtest.Contact(client, server, schema.TCP, dstPort, 0)
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
		{"the flowtest.Exporter says the source", said(schema.InitiatorSrc), schema.OrientExporter, false},
		{"the flowtest.Exporter says the other", said(schema.InitiatorDst), schema.OrientExporter, true},
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
		orient.Flow(&f, orient.ServicePorts[:])
		if f.Orientation != c.by || f.Swapped != c.swapped {
			t.Errorf("%s: by %s, swapped %v", c.name, f.Orientation, f.Swapped)
		}
		once := f
		orient.Flow(&f, orient.ServicePorts[:])
		if f != once {
			t.Errorf("%s: orienting again changed it", c.name)
		}
	}
}

func TestTheServicePortRuleIsIdempotentForAllPairsOfListedPorts(t *testing.T) {
	for _, src := range orient.ServicePorts {
		for _, dst := range orient.ServicePorts {
			f := flowtest.UDP(flowtest.Scanner, flowtest.Target(1), dst, 0)
			f.Src.Port = src
			once := f
			orient.Flow(&once, orient.ServicePorts[:])
			if once.Swapped {
				t.Errorf("%d to %d was swapped, both are services", src, dst)
			}
			twice := once
			orient.Flow(&twice, orient.ServicePorts[:])
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
		ask := flowtest.UDP(flowtest.Scanner, server, port, 0)
		ask.Src.Port = rapid.Uint16Range(32768, 60999).Draw(t, "client port")
		answer := flowtest.Reply(ask, 1, 0)
		answer.Start = ask.Start.Add(time.Millisecond)
		flows := []schema.Flow{ask, answer}
		if rapid.Bool().Draw(t, "answer first") {
			flows[0], flows[1] = flows[1], flows[0]
		}
		p := orient.NewPairing(64, orient.ServicePorts[:])
		if rapid.Bool().Draw(t, "one batch") {
			p.Orient(flows)
		} else {
			p.Orient(flows[:1])
			p.Orient(flows[1:])
			flows = flows[1:] // the first of two batches cannot know
		}
		for _, f := range flows {
			if f.Src.Addr != flowtest.Scanner || f.Orientation == schema.OrientNone {
				t.Fatalf("%s:%d to %s:%d by %s", f.Src.Addr, f.Src.Port, f.Dst.Addr, f.Dst.Port, f.Orientation)
			}
		}
	})
}

func TestOrientationCountsEveryFlowOnce(t *testing.T) {
	p := orient.NewPairing(64, orient.ServicePorts[:])
	flows := []schema.Flow{
		flowtest.SYN(flowtest.Scanner, flowtest.Target(1), 22, 0), flowtest.UDP(flowtest.Scanner, flowtest.Target(1), 9999, 0), flowtest.Reply(flowtest.UDP(flowtest.Scanner, flowtest.Target(1), 53, 0), 1, 0),
	}
	flows[0].Orientation = schema.OrientNone
	p.Orient(flows)
	want := orient.Stats{By: [5]uint64{schema.OrientNone: 1, schema.OrientFlags: 1, schema.OrientService: 1}, Swapped: 1}
	if p.Stats != want {
		t.Errorf("%+v", p.Stats)
	}
}

func TestConversationsHaveAllSlots(t *testing.T) {
	const slots = 1 << 12
	p := orient.NewPairing(slots, nil)
	var asked, answers []schema.Flow
	for i := range slots {
		ask := flowtest.UDP(flowtest.Target(i), flowtest.Target(1<<20+i%64), 9999, 0)
		asked, answers = append(asked, ask), append(answers, flowtest.Reply(ask, 1, 0))
	}
	p.Orient(asked)
	p.Orient(answers)
	// Of n that fall into n slots by chance, n/e have one for themselves.
	if n := int(p.Stats.By[schema.OrientReverse]); n < slots*30/100 {
		t.Errorf("of %d conversations %d met their reverse", slots, n)
	}
}
