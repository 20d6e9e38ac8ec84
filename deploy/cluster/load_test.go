package cluster_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A generator is one exporter: it sends NetFlow v5 of ordinary clients, as many flows a second as rate
// says, and of a new scanner twice a second. The scanners are the oracle: each makes one alert.
type generator struct {
	kubelet *kubelet
	rate    atomic.Int64 // ordinary flows a second
	calm    atomic.Bool  // no scanner begins

	mu       sync.Mutex
	scanners map[string]time.Time // when each scanned
	slowest  time.Duration        // from a scan to its first alert, since the last look
	heard    map[string]bool
	to       *pod
	conn     net.Conn
	sequence uint32
}

type flow struct {
	src, dst         [4]byte
	srcPort, dstPort uint16
	packets, bytes   uint32
	flags            byte
}

const (
	syn     = 0x02
	session = 0x02 | 0x10 | 0x08 | 0x01
)

// run sends until ctx ends.
func (g *generator) run(ctx context.Context, t *testing.T) {
	const tick = 20 * time.Millisecond
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for n, client, owed := 0, 0, 0.0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
		var flows []flow
		for owed += float64(g.rate.Load()) * tick.Seconds(); owed >= 1; owed-- {
			client++
			flows = append(flows, flow{src: [4]byte{192, 168, byte(client >> 8), byte(client)}, dst: [4]byte{192, 0, 2, 80},
				srcPort: uint16(32768 + client%20000), dstPort: 443, packets: 20, bytes: 9000, flags: session})
		}
		if n%25 == 0 && g.rate.Load() > 0 && !g.calm.Load() {
			flows = append(flows, g.scan()...)
		}
		if err := g.send(flows); err != nil {
			t.Error(err)
			return
		}
	}
}

// scan is one scanner's: 40 ports of a host of ours.
func (g *generator) scan() (flows []flow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(g.scanners) + 1
	src := [4]byte{198, 18, byte(n >> 8), byte(n)}
	g.scanners[net.IP(src[:]).String()] = time.Now()
	for port := range uint16(40) {
		flows = append(flows, flow{src: src, dst: [4]byte{10, 9, byte(n >> 8), byte(n)}, srcPort: 40000 + port, dstPort: 1 + 7*port, packets: 1, bytes: 44, flags: syn})
	}
	return flows
}

// listen notes when the first alert about each scanner comes.
func (g *generator) listen(t *testing.T, conn *nats.Conn) {
	t.Helper()
	_, err := conn.Subscribe("alerts.scan.>", func(m *nats.Msg) {
		var a alert
		if json.Unmarshal(m.Data, &a) != nil {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if !g.heard[a.Source] {
			g.heard[a.Source] = true
			g.slowest = max(g.slowest, time.Since(g.scanners[a.Source]))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// waited is the longest that an alert took since the last call, those included that have not come.
func (g *generator) waited() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	longest := g.slowest
	for source, at := range g.scanners {
		if !g.heard[source] {
			longest = max(longest, time.Since(at))
		}
	}
	g.slowest = 0
	return longest.Round(100 * time.Millisecond)
}

// send goes to one ready ingest, as a load balancer keeps an exporter on one, until that goes.
func (g *generator) send(flows []flow) error {
	if len(flows) == 0 {
		return nil
	}
	ready := g.kubelet.running("ingest", true)
	if !slices.Contains(ready, g.to) {
		if len(ready) == 0 {
			return fmt.Errorf("no ingest is ready")
		}
		g.to = ready[0]
		conn, err := net.Dial("udp", g.to.address()+":2055")
		if err != nil {
			return err
		}
		g.conn = conn
	}
	for part := range slices.Chunk(flows, 30) {
		if _, err := g.conn.Write(g.v5(part)); err != nil {
			return err
		}
	}
	return nil
}

// v5 is a datagram: https://www.cisco.com/c/en/us/td/docs/net_mgmt/netflow_collection_engine/3-6/user/guide/format.html
func (g *generator) v5(flows []flow) []byte {
	const uptime = 3600_000
	be, now := binary.BigEndian, time.Now()
	b := be.AppendUint16(nil, 5)
	b = be.AppendUint16(b, uint16(len(flows)))
	b = be.AppendUint32(b, uptime)
	b = be.AppendUint32(b, uint32(now.Unix()))
	b = be.AppendUint32(b, uint32(now.Nanosecond()))
	b = be.AppendUint32(b, g.sequence)
	b = append(b, 0, 0, 0, 0) // engine, sampling
	g.sequence += uint32(len(flows))
	for _, f := range flows {
		r := make([]byte, 48)
		copy(r, f.src[:])
		copy(r[4:], f.dst[:])
		be.PutUint32(r[16:], f.packets)
		be.PutUint32(r[20:], f.bytes)
		be.PutUint32(r[24:], uptime-1000)
		be.PutUint32(r[28:], uptime-500)
		be.PutUint16(r[32:], f.srcPort)
		be.PutUint16(r[34:], f.dstPort)
		r[37], r[38] = f.flags, 6
		b = append(b, r...)
	}
	return b
}

// alerts are all revisions on NATS, in their order.
type alert struct {
	ID       string `json:"id"`
	Revision int    `json:"revision"`
	Source   string `json:"source"`
}

func alerts(t *testing.T, conn *nats.Conn) (all []alert) {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, "SCAN_ALERTS")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for range stream.CachedInfo().State.Msgs {
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		var a alert
		if err := json.Unmarshal(m.Data(), &a); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// judge holds the alerts against the oracle: each scanner has one id, each revision comes once and none is missing.
func (g *generator) judge(t *testing.T, told []alert) (missing int) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	ids, last := map[string]string{}, map[string]int{}
	for _, a := range told {
		switch id := ids[a.Source]; {
		case g.scanners[a.Source].IsZero():
			t.Errorf("an alert about %s, which does not scan", a.Source)
		case id != "" && id != a.ID:
			t.Errorf("%s has two alerts, %s and %s", a.Source, id, a.ID)
		}
		ids[a.Source] = a.ID
		if a.Revision != last[a.ID]+1 {
			t.Errorf("alert %s about %s: revision %d comes after %d", a.ID, a.Source, a.Revision, last[a.ID])
		}
		last[a.ID] = a.Revision
	}
	for s := range g.scanners {
		if ids[s] == "" {
			missing++
		}
	}
	return missing
}
