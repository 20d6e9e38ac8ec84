//go:build linux

package live_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	goflow2 "github.com/netsampler/goflow2/v2/pb"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protodelim"
)

const flowsTopic = "scanhound.flows.v1"

// stores are a Kafka and a NATS in this process, and a settings file for the
// programs that are run against them.
type stores struct {
	t        *testing.T
	settings string
	kafka    []string
	nats     string
}

func newStores(t *testing.T) *stores {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	n, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Start()
	t.Cleanup(func() { n.Shutdown(); n.WaitForShutdown() })
	if !n.ReadyForConnections(patience) {
		t.Fatal("NATS does not answer")
	}
	s := &stores{t: t, kafka: cluster.ListenAddrs(), nats: n.ClientURL()}
	s.settings = write(t, "settings.yaml", fmt.Sprintf(`admin: 127.0.0.1:0
listen: ["127.0.0.1:0"]
kafka-brokers: [%q]
nats-url: [%q]
flows-partitions: 4
internal: [10.77.0.0/16]
site: live
log-format: json
`, s.kafka[0], s.nats))
	return s
}

// flow is what goflow2's own reader takes from a flow in Kafka.
type flow struct {
	exporter, source netip.Addr
	packets          uint64
}

// flows returns all that are in Kafka now.
func (s *stores) flows() (flows []flow) {
	s.t.Helper()
	for _, r := range s.records(flowsTopic) {
		for b := bytes.NewReader(r.Value); ; {
			var m goflow2.FlowMessage
			err := protodelim.UnmarshalFrom(b, &m)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				s.t.Fatalf("read a flow as goflow2 does: %v", err)
			}
			exporter, _ := netip.AddrFromSlice(m.SamplerAddress)
			source, _ := netip.AddrFromSlice(m.SrcAddr)
			flows = append(flows, flow{exporter, source, m.Packets})
		}
	}
	return flows
}

func (s *stores) records(topic string) (records []*kgo.Record) {
	s.t.Helper()
	cl := s.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	left := int64(0)
	for _, n := range s.ends(ctx, cl, topic) {
		left += n
	}
	for int64(len(records)) < left {
		fetched := cl.PollFetches(ctx)
		if err := fetched.Err0(); err != nil {
			s.t.Fatalf("read %s: %v", topic, err)
		}
		records = append(records, fetched.Records()...)
	}
	return records
}

func (s *stores) client(opts ...kgo.Opt) *kgo.Client {
	s.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(s.kafka...))...)
	if err != nil {
		s.t.Fatal(err)
	}
	return cl
}

func (s *stores) ends(ctx context.Context, cl *kgo.Client, topic string) map[int32]int64 {
	s.t.Helper()
	listed, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err = errors.Join(err, listed.Error()); err != nil {
		s.t.Fatalf("look up %s: %v", topic, err)
	}
	ends := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}

// settle waits until the detector and then the alerter have committed all there is.
func (s *stores) settle() {
	s.t.Helper()
	cl := s.client()
	defer cl.Close()
	s.wait(cl, "scanhound-detector.v1", flowsTopic)
	s.wait(cl, "scanhound-alerter.v1", "scanhound.alerts.v1")
}

func (s *stores) wait(cl *kgo.Client, group, topic string) {
	s.t.Helper()
	eventually(s.t, group+" has read all of "+topic, func() bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		defer cancel()
		ends := s.ends(ctx, cl, topic)
		committed := map[int32]int64{}
		for partition := range ends {
			committed[partition] = 0
		}
		of, err := kadm.NewClient(cl).FetchOffsets(ctx, group)
		of.Each(func(o kadm.OffsetResponse) {
			if o.Topic == topic {
				committed[o.Partition] = max(o.At, 0)
			}
		})
		return err == nil && maps.Equal(ends, committed)
	})
}

// alert is what these tests ask of one.
type alert struct {
	Source    netip.Addr   `json:"source"`
	Kind      string       `json:"kind"`
	Exporters []netip.Addr `json:"exporters"`
}

// alerts returns every revision that the stream holds, by source.
func (s *stores) alerts() map[netip.Addr][]alert {
	s.t.Helper()
	nc, err := nats.Connect(s.nats)
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	held, err := js.Stream(s.t.Context(), "SCAN_ALERTS")
	if err != nil {
		s.t.Fatal(err)
	}
	state := held.CachedInfo().State
	all := map[netip.Addr][]alert{}
	for sequence := state.FirstSeq; state.Msgs > 0 && sequence <= state.LastSeq; sequence++ {
		m, err := held.GetMsg(s.t.Context(), sequence)
		if err != nil {
			s.t.Fatal(err)
		}
		var a alert
		if err := json.Unmarshal(m.Data, &a); err != nil {
			s.t.Fatal(err)
		}
		all[a.Source] = append(all[a.Source], a)
	}
	return all
}
