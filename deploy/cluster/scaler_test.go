package cluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// hollow is quick with pods that are ready and do nothing, so that a test decides how much waits.
const hollow = `
resources: [../quick]
images:
- {name: scanhound, newName: hollow}
`

const (
	flows = "scanhound.flows.v1"
	group = "scanhound-detector.v1"
)

func TestTheScalerAsksForExactlyWhatTheLagSaysAndForNoLessWhereItCannotTell(t *testing.T) {
	p := control(t)
	p.brokers(t)
	p.keda(t)
	p.kubelet(t)
	admin := newWaiting(t)
	dir := manifests(t)
	overlay(t, dir, "quick", quick)
	overlay(t, dir, "hollow", hollow)
	p.kubectl(t, namespaces(p.kubectl(t, "", "kustomize", dir+"/overlays/hollow")), "apply", "-f", "-")
	p.kubectl(t, "", "apply", "-k", dir+"/overlays/hollow")
	p.allReady(t, time.Minute)

	p.settles(t, 2, 10*time.Second) // at the least, with nothing that waits
	for _, c := range []struct{ records, want int }{
		{60, 4}, {150, 10}, {165, 11}, {180, 12}, // a tolerance of 10 % would keep it at 11
		{600, 12}, // and no more than partitions
	} {
		admin.wait(t, c.records)
		p.settles(t, c.want, 6*time.Second)
		t.Logf("%d records wait: %d detectors", c.records, c.want)
	}
	kafka(t, "down")
	p.settles(t, 12, 40*time.Second)
	t.Log("without a broker what runs stays")
	kafka(t, "up")
	p.settles(t, 12, 40*time.Second)
	t.Log("without the topic what runs stays")
	p.remove(t)
}

// waiting are records that a group has not read.
type waiting struct {
	client  *kgo.Client
	records int
}

func newWaiting(t *testing.T) *waiting {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(host+":9092"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, 12, 1, nil, flows); err != nil {
		t.Fatal(err)
	}
	var read kadm.Offsets
	for partition := range int32(12) {
		read.AddOffset(flows, partition, 0, -1)
	}
	if err := admin.CommitAllOffsets(ctx, group, read); err != nil {
		t.Fatal(err)
	}
	return &waiting{client: client}
}

// wait has so many records wait, in all partitions.
func (w *waiting) wait(t *testing.T, records int) {
	t.Helper()
	for ; w.records < records; w.records++ {
		r := &kgo.Record{Topic: flows, Partition: int32(w.records % 12), Value: []byte("x")}
		if err := w.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
