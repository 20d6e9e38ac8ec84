package orient_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowmix"
)

func TestOrientingTakesNoAllocation(t *testing.T) {
	flows := flowmix.Exported(4096)
	p := orient.NewPairing(1<<16, orient.ServicePorts[:])
	work := make([]schema.Flow, 128)
	orientAll := func() {
		for n := 0; n < len(flows); n += len(work) {
			copy(work, flows[n:])
			p.Orient(work)
		}
	}
	orientAll() // its own lists have grown
	if n := testing.AllocsPerRun(10, orientAll); n != 0 {
		t.Errorf("to orient %d flows takes %v allocations", len(flows), n)
	}
}

// BenchmarkOrient orients the flows of an ordinary network, in batches of some five datagrams. The flows are
// copied to where they are turned round, which is not counted.
func BenchmarkOrient(b *testing.B) {
	flows := flowmix.Exported(1 << 14)
	p := orient.NewPairing(1<<16, orient.ServicePorts[:])
	work := make([]schema.Flow, 128)
	b.ReportAllocs()
	took := time.Duration(0)
	for b.Loop() {
		for n := 0; n < len(flows); n += len(work) {
			copy(work, flows[n:])
			began := time.Now()
			p.Orient(work)
			took += time.Since(began)
		}
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*len(flows)), "ns/flow")
}
