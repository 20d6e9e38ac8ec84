package orient_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

func TestAnAnswerThatIsNoMirrorImageMeetsItsQuestion(t *testing.T) {
	x, y, z := flowtest.Target(1), flowtest.Target(2), flowtest.Target(3)
	group := netip.MustParseAddr("239.255.255.250")
	datagram := func(src netip.Addr, from uint16, dst netip.Addr, to uint16, after time.Duration) schema.Flow {
		f := flowtest.UDP(src, dst, to, after)
		f.Src.Port = from
		return f
	}
	for _, c := range []struct {
		name        string
		ask, answer schema.Flow
		port        uint16 // of the contact that the answer is of; 0: it is none
	}{
		{"a tunnel", datagram(x, 50000, y, 4789, 0), datagram(y, 51000, x, 4789, time.Second), 4789},
		{"from the asked port to another", datagram(x, 50000, y, 161, 0), datagram(y, 161, x, 50001, time.Second), 161},
		{"TFTP", datagram(x, 2070, y, 69, 0), datagram(y, 50000, x, 2070, time.Second), 69},
		{"TFTP, of somebody else", datagram(x, 2070, y, 69, 0), datagram(z, 50000, x, 2070, time.Second), 0},
		{"SSDP", datagram(x, 50000, group, 1900, 0), datagram(y, 40001, x, 50000, time.Second), 40001},
		{"mDNS", datagram(x, 5353, group, 5353, 0), datagram(y, 5353, x, 5353, time.Second), 5353},
		{"a question to who speaks mDNS", datagram(x, 5353, group, 5353, 0), datagram(y, 40001, x, 5353, time.Second), 0},
		{"long after", datagram(x, 50000, y, 4789, 0), datagram(y, 51000, x, 4789, time.Hour), 0},
		{"of another host", datagram(x, 50000, y, 4789, 0), datagram(z, 51000, x, 4789, time.Second), 0},
		{"on another port", datagram(x, 50000, y, 4789, 0), datagram(y, 51000, x, 4790, time.Second), 0},
	} {
		for _, together := range []bool{true, false} {
			p := orient.NewPairing(64, orient.ServicePorts[:])
			flows := []schema.Flow{c.ask, c.answer}
			if together {
				p.Orient(flows)
			} else {
				p.Orient(flows[:1])
				p.Orient(flows[1:])
			}
			got := flows[1]
			answers := got.Swapped && got.Src.Addr == x && got.Dst.Addr == y && got.Orientation == schema.OrientReverse
			if answers != (c.port != 0) || answers && got.Dst.Port != c.port {
				t.Errorf("%s, together %v: %s:%d to %s:%d by %s", c.name, together, got.Src.Addr, got.Src.Port, got.Dst.Addr, got.Dst.Port, got.Orientation)
			}
		}
	}
}

func TestAClientThatAsksAgainFromOnePortIsNotTakenForItsServer(t *testing.T) {
	p := orient.NewPairing(64, orient.ServicePorts[:])
	for i := range 10 {
		ask := flowtest.UDP(flowtest.Scanner, flowtest.Target(1), 9999, time.Duration(i)*time.Second)
		ask.Src.Port = 40000
		for _, f := range []schema.Flow{ask, flowtest.Reply(ask, 1, 0)} {
			flows := []schema.Flow{f}
			if p.Orient(flows); flows[0].Src.Addr != flowtest.Scanner {
				t.Errorf("round %d: %s:%d to %s:%d", i, flows[0].Src.Addr, flows[0].Src.Port, flows[0].Dst.Addr, flows[0].Dst.Port)
			}
		}
	}
}

func TestTheTypeOfAnICMPMessageSaysWhoAnswers(t *testing.T) {
	for kind, answers := range map[uint8]bool{0: true, 8: false, 3: false, 14: true, 13: false} {
		f := flowtest.Ping(flowtest.Target(1), flowtest.Scanner, 0)
		f.ICMPType = kind
		if orient.Flow(&f, nil); f.Swapped != answers {
			t.Errorf("type %d: swapped %v", kind, f.Swapped)
		}
	}
}

func TestAServerOfDHCPAnswers(t *testing.T) {
	f := flowtest.UDP(flowtest.Target(67), flowtest.Target(1), 68, 0)
	f.Src.Port = 67
	if orient.Flow(&f, nil); !f.Swapped || f.Orientation != schema.OrientService {
		t.Errorf("by %s, swapped %v", f.Orientation, f.Swapped)
	}
}
