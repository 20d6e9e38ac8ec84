package orient_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

func TestFlagsWinOverTheExportersWordOfWhoBegan(t *testing.T) {
	const S, A, R, P, F = schema.SYN, schema.ACK, schema.RST, schema.PSH, schema.FIN
	type half struct {
		flags   uint16
		packets uint64
	}
	for _, c := range []struct {
		name     string
		src, dst half
		denied   bool
	}{
		{"a refused SYN in the reverse half", half{R | A, 1}, half{S, 1}, true},
		{"a SYN that nothing answered in the reverse half", half{}, half{S, 3}, true},
		{"a half-open connection", half{S | A, 1}, half{S | R, 2}, true},
		{"a connect scan", half{S | A, 1}, half{S | A | R, 3}, true},
		{"a session", half{S | A | P | F, 9}, half{S | A | P | F, 12}, false},
		{"a SYN in the forward half", half{S, 1}, half{R | A, 1}, false},
		{"a SYN that nothing answered", half{S, 1}, half{}, false},
		{"a SYN+ACK that nobody asked for, refused", half{S | A, 1}, half{R, 1}, false},
	} {
		f := flowtest.Contact(flowtest.Scanner, flowtest.Target(1), schema.TCP, 8080, 0)
		f.Src.TCPFlags, f.Src.Packets = c.src.flags, c.src.packets
		f.Dst.TCPFlags, f.Dst.Packets = c.dst.flags, c.dst.packets
		f.Initiator = schema.InitiatorSrc
		flows := []schema.Flow{f}
		p := orient.NewPairing(64, orient.ServicePorts[:])
		p.Orient(flows)
		by, denied := schema.OrientExporter, uint64(0)
		if c.denied {
			by, denied = schema.OrientFlags, 1
		}
		if flows[0].Orientation != by || flows[0].Swapped != c.denied || p.Stats.Denied != denied {
			t.Errorf("%s: by %s, swapped %v, %d denied", c.name, flows[0].Orientation, flows[0].Swapped, p.Stats.Denied)
		}
	}
}

func TestALoneSynAckAsksWhereItCanBeNoAnswer(t *testing.T) {
	// synAcks returns how many of n SYN+ACKs are taken for questions.
	asked := func(n int, srcPort, dstPort func(i int) uint16) (asked int) {
		p := orient.NewPairing(64, orient.ServicePorts[:])
		for i := range n {
			f := flowtest.Contact(flowtest.Scanner, flowtest.Target(i), schema.TCP, dstPort(i), time.Duration(i)*time.Second)
			f.Src.Port, f.Src.TCPFlags = srcPort(i), schema.SYN|schema.ACK
			flows := []schema.Flow{f}
			if p.Orient(flows); !flows[0].Swapped {
				asked++
			}
		}
		return asked
	}
	fixed := func(port uint16) func(int) uint16 { return func(int) uint16 { return port } }
	rising := func(from uint16) func(int) uint16 { return func(i int) uint16 { return from + uint16(i) } }
	for _, c := range []struct {
		name        string
		src, dst    func(int) uint16
		least, most int
	}{
		{"to a system port", fixed(40000), fixed(22), 200, 200},
		{"from many ports to one", rising(40000), fixed(8080), 170, 190},
		{"from one port to many", fixed(8080), rising(40000), 0, 0},
		{"from one port to one", fixed(8080), fixed(40000), 0, 0},
		{"from a system port", fixed(443), rising(40000), 0, 0},
		{"from NFS to reserved ports", fixed(2049), rising(700), 0, 0},
	} {
		if n := asked(200, c.src, c.dst); n < c.least || n > c.most {
			t.Errorf("%s: %d of 200 ask, want %d to %d", c.name, n, c.least, c.most)
		}
	}
}
