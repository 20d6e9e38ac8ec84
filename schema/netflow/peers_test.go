//go:build unix

package netflow_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	goflow2sflow "github.com/netsampler/goflow2/v2/decoders/sflow"
	"github.com/netsampler/goflow2/v2/producer"
	goflow2pb "github.com/netsampler/goflow2/v2/producer/proto"
	"golang.org/x/sys/unix"

	"github.com/scanhound/scanhound/schema"
)

// BenchmarkPeers is a datagram to wire bytes, by goflow2 and by us in turn, so that whatever else the
// machine does meets both. It reports what each takes for a record of the process's CPU time, with
// what its garbage costs, and how many times less we take.
func BenchmarkPeers(b *testing.B) {
	for _, u := range usual {
		b.Run(u.name, func(b *testing.B) {
			peer := newPeer(b, u.template)
			d := decoder()
			decode(d, u.template)
			var flows []schema.Flow
			var wire []byte
			var e schema.FlowEncoder
			var ours, theirs time.Duration
			const turn, more = 100, 20 // datagrams of goflow2, and times as many of us
			for b.Loop() {
				begin := cpuTime(b)
				for range turn {
					if n := peer.encode(b, u.data); n != u.records {
						b.Fatalf("goflow2 has %d records", n)
					}
				}
				middle := cpuTime(b)
				for range turn * more {
					flows, _ = d.Decode(flows[:0], exporterA, arrived, u.data)
					wire = wire[:0]
					for i := range flows {
						wire = e.Append(wire, &flows[i])
					}
				}
				theirs += middle - begin
				ours += (cpuTime(b) - middle) / more
			}
			if len(flows) != u.records {
				b.Fatalf("decoded %d flows", len(flows))
			}
			n := float64(b.N * turn * u.records)
			b.ReportMetric(float64(ours)/n, "ns/record")
			b.ReportMetric(float64(theirs)/n, "goflow2-ns/record")
			b.ReportMetric(float64(theirs)/float64(ours), "x-goflow2")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cpuTime is what this process has taken of all processors.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peer is goflow2 from a datagram to protobuf bytes.
type peer struct {
	templates goflow2.NetFlowTemplateSystem
	producer  producer.ProducerInterface
	args      producer.ProduceArgs
	out       []byte
}

func newPeer(b *testing.B, template []byte) *peer {
	b.Helper()
	cfg, err := (&goflow2pb.ProducerConfig{}).Compile()
	if err != nil {
		b.Fatal(err)
	}
	p, err := goflow2pb.CreateProtoProducer(cfg, goflow2pb.CreateSamplingSystem)
	if err != nil {
		b.Fatal(err)
	}
	q := &peer{templates: goflow2.CreateTemplateSystem(), producer: p, args: producer.ProduceArgs{
		Src: netip.AddrPortFrom(exporterA, 2055), SamplerAddress: exporterA, TimeReceived: arrived.Std(),
	}}
	if template != nil {
		q.encode(b, template)
	}
	return q
}

func (p *peer) encode(b *testing.B, datagram []byte) (records int) {
	var (
		packet any
		v5     netflowlegacy.PacketNetFlowV5
		v9     goflow2.NFv9Packet
		ipfix  goflow2.IPFIXPacket
		sflow  goflow2sflow.Packet
		err    error
	)
	in := bytes.NewBuffer(datagram)
	switch be.Uint16(datagram) {
	case 5:
		err, packet = netflowlegacy.DecodeMessageVersion(in, &v5), &v5
	case 9:
		err, packet = goflow2.DecodeMessageVersion(in, p.templates, &v9, &ipfix), &v9
	case 10:
		err, packet = goflow2.DecodeMessageVersion(in, p.templates, &v9, &ipfix), &ipfix
	default:
		err, packet = goflow2sflow.DecodeMessageVersion(in, &sflow), &sflow
	}
	if err != nil {
		b.Fatal(err)
	}
	messages, err := p.producer.Produce(packet, &p.args)
	if err != nil {
		b.Fatal(err)
	}
	p.out = p.out[:0]
	for _, m := range messages {
		wire, err := m.(*goflow2pb.ProtoProducerMessage).MarshalBinary()
		if err != nil {
			b.Fatal(err)
		}
		p.out = append(p.out, wire...)
		records++
	}
	p.producer.Commit(messages)
	return records
}
