package orient_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

var low, high = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.168.0.1")

// biflow is a record that begins with src, whatever its sides sent.
func biflow(src netip.Addr, from uint16, dst netip.Addr, to uint16, proto uint8, sent, back uint64) schema.Flow {
	f := flowtest.Contact(src, dst, proto, to, 0)
	f.Src.Port, f.Src.Packets, f.Src.Bytes = from, sent, 100*sent
	f.Dst.Packets, f.Dst.Bytes = back, 100*back
	f.Src.TCPFlags, f.Initiator = 0, schema.InitiatorSrc
	return f
}

func TestOfARecordOfOneHalfTheExportersWordIsWhoSentIt(t *testing.T) {
	with := func(change func(*schema.Flow), f schema.Flow) schema.Flow {
		change(&f)
		return f
	}
	denied := func(f *schema.Flow) { f.Event = 3 }
	ofAFile := func(f *schema.Flow) { f.Exporter.Addr = netip.Addr{} }
	synAck := func(f *schema.Flow) { f.Src.TCPFlags = schema.SYN | schema.ACK }
	for _, c := range []struct {
		name  string
		flow  schema.Flow
		by    schema.Orientation
		src   netip.Addr
		wrong uint64
	}{
		{"a datagram", biflow(high, 50000, low, 161, schema.UDP, 1, 0), schema.OrientNone, high, 0},
		{"a datagram in the other half", biflow(low, 161, high, 50000, schema.UDP, 0, 1), schema.OrientNone, high, 1},
		{"a datagram that is answered", biflow(low, 161, high, 50000, schema.UDP, 1, 1), schema.OrientExporter, low, 0},
		{"a service's datagram", biflow(high, 53, low, 50000, schema.UDP, 1, 0), schema.OrientService, low, 0},
		{"a datagram that a firewall denied", with(denied, biflow(high, 53, low, 50000, schema.UDP, 1, 0)), schema.OrientExporter, high, 0},
		{"a datagram in a file", with(ofAFile, biflow(high, 53, low, 50000, schema.UDP, 1, 0)), schema.OrientExporter, high, 0},
		{"a lone SYN+ACK", with(synAck, biflow(high, 443, low, 50000, schema.TCP, 1, 0)), schema.OrientFlags, low, 0},
		{"a piece of a session", biflow(high, 50000, low, 443, schema.TCP, 9, 0), schema.OrientExporter, high, 0},
	} {
		p := orient.NewPairing(64, orient.ServicePorts[:])
		flows := []schema.Flow{c.flow}
		p.Orient(flows)
		if f := flows[0]; f.Orientation != c.by || f.Src.Addr != c.src || p.Stats.Denied != c.wrong {
			t.Errorf("%s: %s by %s, %d denied", c.name, f.Src.Addr, f.Orientation, p.Stats.Denied)
		}
	}
}

func TestWhoseBiflowsBeginWithTheLowerAddressIsNotBelievedAgainstThePorts(t *testing.T) {
	session := biflow(low, 443, high, 50000, schema.TCP, 9, 9)
	session.Src.TCPFlags, session.Dst.TCPFlags = schema.SYN|schema.ACK|schema.PSH, schema.SYN|schema.ACK|schema.PSH
	swapped := func(before ...schema.Flow) bool {
		p := orient.NewPairing(64, orient.ServicePorts[:])
		for _, f := range append(before, session) {
			flows := []schema.Flow{f}
			p.Orient(flows)
			session := flows[0]
			if session.Proto == schema.TCP {
				return session.Swapped
			}
		}
		return false
	}
	wrong, right := biflow(low, 161, high, 50000, schema.UDP, 0, 1), biflow(high, 50000, low, 161, schema.UDP, 1, 1)
	other := wrong
	other.Exporter.Addr = netip.MustParseAddr("192.0.2.99")
	for _, c := range []struct {
		name   string
		before []schema.Flow
		want   bool
	}{
		{"nothing is known of it", nil, false},
		{"it was wrong three times", []schema.Flow{wrong, wrong, wrong}, false},
		{"it was wrong four times", []schema.Flow{wrong, wrong, wrong, wrong}, true},
		{"it begins with higher ones, too", []schema.Flow{wrong, wrong, right, wrong, wrong, wrong}, false},
		{"another was wrong", []schema.Flow{other, other, other, other, other}, false},
	} {
		if got := swapped(c.before...); got != c.want {
			t.Errorf("%s: swapped %v", c.name, got)
		}
	}
}

func TestOfThePiecesOfASessionThePortsTellWhoAsked(t *testing.T) {
	for _, c := range []struct {
		client, server uint16
		want           bool
	}{
		{51000, 2404, true}, {51000, 443, true}, {2000, 102, true},
		{51000, 50000, false}, {2000, 2404, false}, // the later one began
	} {
		answer := biflow(low, c.server, high, c.client, schema.TCP, 9, 0)
		answer.Initiator, answer.Src.TCPFlags = schema.InitiatorUnknown, schema.ACK
		ask := biflow(high, c.client, low, c.server, schema.TCP, 9, 0)
		ask.Initiator, ask.Src.TCPFlags, ask.Start = schema.InitiatorUnknown, schema.ACK, answer.Start.Add(time.Second)
		p := orient.NewPairing(64, orient.ServicePorts[:])
		flows := []schema.Flow{answer, ask}
		p.Orient(flows)
		for _, f := range flows {
			if (f.Src.Addr == high) != c.want {
				t.Errorf("%d to %d: %s:%d began", c.client, c.server, f.Src.Addr, f.Src.Port)
			}
		}
	}
}
