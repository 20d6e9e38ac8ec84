package orient_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

const atTen = schema.Time(10 * 3600 * 1e9)

func side(addr string, port uint16, packets uint64, flags uint16) schema.Side {
	return schema.Side{Addr: netip.MustParseAddr(addr), Port: port, Packets: packets, Bytes: 60 * packets, TCPFlags: flags}
}

// ftpData is a data connection of a server that nothing answers, after so long.
func ftpData(client string, port uint16, after time.Duration) schema.Flow {
	return schema.Flow{Proto: schema.TCP, Start: atTen.Add(after), Src: side("203.0.113.21", 20, 3, schema.SYN), Dst: side(client, port, 0, 0)}
}

func control(client string, after time.Duration) schema.Flow {
	return schema.Flow{
		Proto: schema.TCP, Start: atTen.Add(after),
		Src: side(client, 51234, 20, schema.SYN|schema.ACK|schema.PSH|schema.FIN), Dst: side("203.0.113.21", 21, 0, 0),
	}
}

// pass orients a batch that arrives after so long, and holds what may be a server call.
func pass(p *orient.Pairing, after time.Duration, flows ...schema.Flow) []schema.Flow {
	p.Orient(flows)
	return p.Hold(flows, atTen.Add(after))
}

func marked(flows []schema.Flow) (n int) {
	for i := range flows {
		if flows[i].Hints&schema.HintServerCall != 0 {
			n++
		}
	}
	return n
}

func TestAServerCallWaitsForItsSession(t *testing.T) {
	p := orient.NewPairing(64, orient.ServicePorts[:])
	if out := pass(p, time.Minute, ftpData("10.0.0.5", 5001, 1), ftpData("10.0.0.6", 5001, 2)); len(out) != 0 || p.Stats.Held != 2 {
		t.Fatalf("%d flows pass, %d are held", len(out), p.Stats.Held)
	}
	if out := pass(p, 5*time.Minute, control("10.0.0.5", 0)); len(out) != 2 || marked(out) != 1 || p.Stats.Held != 1 {
		t.Errorf("with the session of one client %d flows pass, %d of them marked, and %d are held", len(out), marked(out), p.Stats.Held)
	}
	if out := pass(p, 11*time.Minute); len(out) != 1 || marked(out) != 0 || p.Stats.Held != 0 {
		t.Errorf("after 10 minutes %d flows pass, %d of them marked, and %d are held", len(out), marked(out), p.Stats.Held)
	}
	if p.Stats.ServerCalls != 1 {
		t.Errorf("%d server calls", p.Stats.ServerCalls)
	}
}

func TestWhatIsNoServerCallWaitsForNothing(t *testing.T) {
	scan := ftpData("10.0.0.5", 22, 0) // a service's port: no client names it
	answered := ftpData("10.0.0.5", 5001, 0)
	answered.Dst.Packets, answered.Dst.TCPFlags = 9, schema.SYN|schema.ACK|schema.PSH
	ident := ftpData("10.0.0.5", 113, 0) // of a host that nobody has a session with
	ident.Src.Port = 40000
	p := orient.NewPairing(64, orient.ServicePorts[:])
	if out := pass(p, 0, scan, answered, ident); len(out) != 3 {
		t.Errorf("%d of 3 flows pass", len(out))
	}
	pass(p, 0, control("10.0.0.6", 0))
	if out := pass(p, 0, ident); len(out) != 0 {
		t.Error("ident of a host that others have sessions with passes")
	}
}

// Whatever comes, each flow passes once, in the order of its kind, and few are held.
func TestEveryFlowThatIsHeldPassesOnce(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	p := orient.NewPairing(64, orient.ServicePorts[:])
	client := func() string {
		return netip.AddrFrom4([4]byte{10, 0, byte(dice.IntN(4)), byte(dice.IntN(256))}).String()
	}
	seen, now := map[uint64]int{}, time.Duration(0)
	see := func(out []schema.Flow) {
		for i := range out {
			seen[out[i].Src.Bytes]++
		}
	}
	total := uint64(0)
	for range 3000 {
		var flows []schema.Flow
		for range dice.IntN(30) {
			f := ftpData(client(), uint16(1024+dice.IntN(50000)), now)
			if dice.IntN(100) == 0 {
				f = control(client(), now)
			}
			total++
			f.Src.Bytes = total
			flows = append(flows, f)
		}
		see(pass(p, now, flows...))
		if p.Stats.Held > 4096 {
			t.Fatalf("%d are held", p.Stats.Held)
		}
		now += time.Duration(dice.IntN(2000)) * time.Millisecond
	}
	held := int(p.Stats.Held)
	rest := p.Release()
	see(rest)
	if len(rest) != held || p.Stats.Held != 0 || held == 0 {
		t.Errorf("%d were held, %d are released, %d are still held", held, len(rest), p.Stats.Held)
	}
	for n := range total {
		if seen[n+1] != 1 {
			t.Fatalf("flow %d of %d passed %d times", n+1, total, seen[n+1])
		}
	}
	if p.Stats.ServerCalls == 0 {
		t.Error("none was marked")
	}
}
