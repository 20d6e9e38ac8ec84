package orient_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

func TestAServicePortIsProposedAndAScannersFixedSourcePortIsNot(t *testing.T) {
	server, attacker := flowtest.Target(1), netip.MustParseAddr("10.9.81.5")
	var flows []schema.Flow
	for i := range 2000 {
		at := time.Duration(i) * time.Second
		// The seed's own finding: 172.10.0.6:1984 talks with workstations whose ports rise one by one.
		ask := flowtest.Session(flowtest.Target(1000+i%200), server, 4444, at)
		ask.Src.Port, ask.Orientation, ask.Dst.Packets = uint16(2208+i), schema.OrientNone, 0
		flows = append(flows, ask, flowtest.Reply(ask, 10, schema.SYN|schema.ACK|schema.PSH))
		// And its attacker kept one source port for all probes of nine hosts.
		probe := flowtest.SYN(attacker, flowtest.Target(50+i%9), uint16(1+i*31), at)
		probe.Src.Port, probe.Orientation = 62559, schema.OrientNone
		flows = append(flows, probe, flowtest.Reply(probe, 1, schema.RST|schema.ACK))
		// A listed service is no proposal, a busy one with a single client neither.
		web := flowtest.Session(flowtest.Target(3000+i%100), flowtest.Target(2), 443, at)
		alone := flowtest.Session(flowtest.Target(9), flowtest.Target(3), 9999, at)
		web.Orientation, alone.Orientation = schema.OrientNone, schema.OrientNone
		flows = append(flows, web, alone)
	}
	l := orient.NewLearner(orient.ServicePorts[:])
	l.Observe(flows)
	got := l.Proposals()
	if len(got) != 1 || got[0].Port != 4444 || got[0].Proto != schema.TCP || len(got[0].Hosts) != 1 || got[0].Hosts[0] != server {
		t.Errorf("%+v", got)
	}
}

func TestALearnerFloodedWithEndpointsStillFindsABusyService(t *testing.T) {
	l := orient.NewLearner(orient.ServicePorts[:])
	for i := range 100_000 {
		noise := flowtest.SYN(flowtest.Target(i), flowtest.Target(i+7), uint16(10000+i%20000), 0)
		flows := []schema.Flow{noise}
		if i%5 == 0 {
			ask := flowtest.Session(flowtest.Target(1000+i%500), flowtest.Target(1), 4444, 0)
			ask.Src.Port, ask.Dst.Packets = uint16(20000+i%40000), 0
			flows = append(flows, ask, flowtest.Reply(ask, 10, schema.ACK))
		}
		l.Observe(flows)
	}
	if got := l.Proposals(); len(got) != 1 || got[0].Port != 4444 {
		t.Errorf("%+v", got)
	}
}
