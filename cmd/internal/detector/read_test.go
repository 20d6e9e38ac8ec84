package detector

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowmix"
	"github.com/scanhound/scanhound/stream"
)

func TestToReadARecordTakesNoAllocationAndKeepsNothingOfTheLast(t *testing.T) {
	w, err := detector(t).worker(stream.Assignment{Topic: schema.FlowsTopic, Committed: -1})
	if err != nil {
		t.Fatal(err)
	}
	mix := flowmix.Oriented(512)
	var records [2]kgo.Record
	for i := range mix {
		records[i/256].Value = schema.AppendFlow(records[i/256].Value, &mix[i])
	}
	turn := 0
	if n := testing.AllocsPerRun(10, func() { w.read(&records[turn%2]); turn++ }); n != 0 {
		t.Errorf("to read 256 flows takes %v allocations", n)
	}
	for part := range records {
		w.read(&records[part])
		for i := range w.flows {
			if want := mix[part*256+i]; w.flows[i] != want {
				t.Fatalf("flow %d of record %d\n got %+v\nwant %+v", i, part, w.flows[i], want)
			}
		}
	}
}
