package schema_test

import (
	"testing"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowmix"
)

// records are flows as ingest writes them: 256 to a record, of those whose sources share one of 12 partitions.
func records(flows []schema.Flow) (all [][]byte) {
	const partitions = 12
	var e schema.FlowEncoder
	var open [partitions][]byte
	var held [partitions]int
	for i := range flows {
		n := schema.Partition(flows[i].Owner(), partitions)
		open[n] = e.Append(open[n], &flows[i])
		if held[n]++; held[n] == 256 {
			all = append(all, open[n])
			open[n], held[n] = nil, 0
		}
	}
	return append(all, open[:]...)
}

// readAll appends the flows of a record to those of another.
func readAll(b []byte, to []schema.Flow) ([]schema.Flow, error) {
	for len(b) > 0 {
		to = append(to, schema.Flow{})
		n, err := schema.ReadFlow(b, &to[len(to)-1])
		if err != nil {
			return to, err
		}
		b = b[n:]
	}
	return to, nil
}

func TestAFlowIsWrittenAndReadWithoutAllocation(t *testing.T) {
	flows := flowmix.Oriented(256)
	var e schema.FlowEncoder
	b, read := make([]byte, 0, 1<<16), make([]schema.Flow, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		b = b[:0]
		for i := range flows {
			b = e.Append(b, &flows[i])
		}
	}); n != 0 {
		t.Errorf("to write 256 flows takes %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { read, _ = readAll(b, read[:0]) }); n != 0 || len(read) != 256 {
		t.Errorf("to read %d flows takes %v allocations", len(read), n)
	}
}

// BenchmarkFlow writes and reads the flows of an ordinary network, record after record.
func BenchmarkFlow(b *testing.B) {
	flows := flowmix.Oriented(1 << 13)
	all := records(flows)
	size := 0
	for _, r := range all {
		size += len(r)
	}
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(flows)), "ns/flow")
		b.ReportMetric(float64(size)/float64(len(flows)), "B/flow")
	}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		var e schema.FlowEncoder
		buf := make([]byte, 0, 1<<16)
		for b.Loop() {
			for i := range flows {
				if i%256 == 0 {
					buf = buf[:0]
				}
				buf = e.Append(buf, &flows[i])
			}
		}
		report(b)
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		read := make([]schema.Flow, 0, 256)
		for b.Loop() {
			for _, r := range all {
				var err error
				if read, err = readAll(r, read[:0]); err != nil {
					b.Fatal(err)
				}
			}
		}
		report(b)
	})
}
