package detect_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// rectangle is a scan of so many hosts by so many ports, a host after the other: two
// probes a second, or as many as it takes to end within an hour.
func rectangle(hosts, ports int) []schema.Flow {
	flows, took := make([]schema.Flow, 0, hosts*ports), min(time.Duration(hosts*ports)*time.Second/2, time.Hour)
	for h := range hosts {
		for p := range ports {
			after := time.Duration(len(flows)) * took / time.Duration(hosts*ports)
			flows = append(flows, syn(scanner, target(256+h), uint16(1+p), after))
		}
	}
	return flows
}

// BenchmarkRevision is one revision of an alert: measured because the scan went quiet,
// and said; and its byte form.
func BenchmarkRevision(b *testing.B) {
	for _, c := range []struct {
		name         string
		hosts, ports int
	}{
		{"vertical/small", 1, 30}, {"vertical/large", 1, 65_535},
		{"horizontal/small", 30, 1}, {"horizontal/large", 65_535, 1},
		{"block/small", 8, 8}, {"block/large", 1000, 1000},
	} {
		d := newDetector(b, nil)
		d.Observe(rectangle(c.hosts, c.ports), 0)
		alerts := d.SettleAll()
		if len(alerts) != 1 {
			b.Fatalf("%s: %d alerts are open", c.name, len(alerts))
		}
		b.Run(c.name+"/say", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.SettleAll()
			}
		})
		b.Run(c.name+"/encode", func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				var err error
				if buf, err = schema.AppendAlert(buf[:0], &alerts[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
