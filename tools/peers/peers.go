package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// receiveBuffer is what every collector is given: ingest's default.
const receiveBuffer = 8 << 20

// ingest is ours, with its defaults: it decodes, orients, batches by source and
// produces to Kafka, compressed as told.
func (h *harness) ingest(compression string) func(context.Context) (*collector, error) {
	return func(ctx context.Context) (*collector, error) {
		udp, tcp, err := freePorts()
		if err != nil {
			return nil, err
		}
		admin := fmt.Sprintf("127.0.0.1:%d", tcp)
		c, err := launch(ctx, udp, h.program("ingest"), "--admin="+admin, fmt.Sprintf("--listen=127.0.0.1:%d", udp),
			"--kafka-brokers="+h.kafka, "--flows-topic="+h.topic, "--flows-compression="+compression)
		if err != nil {
			return nil, err
		}
		c.admin = "http://" + admin
		c.counts = func(ctx context.Context) (t tally, err error) {
			m, err := scrape(ctx, c.admin+"/metrics")
			t.processed = m.sum("scanhound_ingest_flows_total", `fate="produced"`)
			t.lost = m.sum("scanhound_ingest_flows_total", `fate="queue_full"`) + m.sum("scanhound_ingest_flows_total", `fate="failed"`)
			t.waiting = m.sum("scanhound_ingest_flows_pending")
			return t, err
		}
		return c, awaitReceiving(ctx, c)
	}
}

// awaitReceiving waits for Kafka: what comes before is only held by the sockets.
func awaitReceiving(ctx context.Context, c *collector) error {
	for end := time.Now().Add(20 * time.Second); !strings.Contains(c.said.text(), "receiving"); time.Sleep(50 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(end) {
			c.stop()
			return errors.Join(ctx.Err(), fmt.Errorf("ingest does not receive:\n%s", c.said.text()))
		}
	}
	return nil
}

// goflow2 writes its protobuf messages to nowhere. It gets a socket and a worker
// for each of two cores, and a queue of 1,000 datagrams: its own, of a million,
// would take 9 GB and hide seconds of what it does not keep up with.
func (h *harness) goflow2(ctx context.Context) (*collector, error) {
	udp, tcp, err := freePorts()
	if err != nil {
		return nil, err
	}
	restore := h.widenBuffers()
	defer restore()
	admin := fmt.Sprintf("127.0.0.1:%d", tcp)
	c, err := launch(ctx, udp, h.program("goflow2"), "-addr="+admin, "-format=bin", "-transport=file", "-transport.file="+os.DevNull,
		fmt.Sprintf("-listen=netflow://127.0.0.1:%d?count=2&workers=2&queue_size=1000", udp), "-loglevel=error")
	if err != nil {
		return nil, err
	}
	c.admin = "http://" + admin
	c.counts = func(ctx context.Context) (t tally, err error) {
		m, err := scrape(ctx, c.admin+"/metrics")
		return goflow2Tally(m), err
	}
	return c, nil
}

// goflow2Tally: of v5 it counts records as sets. Datagrams that its queue has no
// room for it counts only as such; they show as records that were not processed.
func goflow2Tally(m counters) tally {
	return tally{
		processed: m.sum("goflow2_flow_process_nf_flowset_total", `version="5"`, `type="DataFlowSet"`) +
			m.sum("goflow2_flow_process_nf_flowset_records_total", `type="DataFlowSet"`),
	}
}

// nfcapd writes its files to memory where there is such a file system, and they
// are removed as soon as they are finished. It works in the order of its socket,
// so what has left the socket is processed.
func (h *harness) nfcapd(ctx context.Context) (*collector, error) {
	udp, _, err := freePorts()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(memory(), "peers-nfcapd-")
	if err != nil {
		return nil, err
	}
	restore := h.widenBuffers()
	defer restore()
	c, err := launch(ctx, udp, "nfcapd", "-b", "127.0.0.1", "-p", fmt.Sprint(udp), "-w", dir, "-t", "2", "-B", fmt.Sprint(receiveBuffer))
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	go removeFinished(dir, c.done)
	c.tidy = func() { _ = os.RemoveAll(dir) }
	return c, nil
}

func removeFinished(dir string, done <-chan struct{}) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-done:
			return
		case <-look.C:
			finished, _ := filepath.Glob(filepath.Join(dir, "nfcapd.2*")) // the one under way is nfcapd.current
			for _, name := range finished {
				_ = os.Remove(name)
			}
		}
	}
}

// memory is a file system in memory, or the usual place for what is temporary.
func memory() string {
	if s, err := os.Stat("/dev/shm"); err == nil && s.IsDir() {
		return "/dev/shm"
	}
	return ""
}
