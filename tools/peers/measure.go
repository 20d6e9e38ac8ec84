package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// settle is how long after the last datagram a record may still be on its way:
// twice ingest's batch age. What is not done by then counts as lost, so that no
// queue within a collector passes for speed.
const settle = 400 * time.Millisecond

// row is what a run found out about one peer with one version.
type row struct {
	version, peer string
	moderate      float64 // CPU ns per record at the moderate rate
	loaded        float64 // the same at the highest rate
	found
}

func (r row) rate() string {
	switch {
	case r.best.sent == 0:
		return "-"
	case r.limited:
		return ">= " + thousands(r.best.sent)
	}
	return thousands(r.best.sent)
}

// measure starts a peer afresh, asks how much CPU time a record takes, and how many it bears.
func (h *harness) measure(ctx context.Context, p plan, one peer, v version) (r row, err error) {
	r = row{version: v.name, peer: one.name}
	c, err := one.start(ctx)
	if err != nil {
		return r, err
	}
	defer c.stop()
	s, err := newSender(&v, c.addr())
	if err != nil {
		return r, err
	}
	defer s.close()
	if err := s.announce(); err != nil {
		return r, err
	}
	m := measurement{c, s, p.verbose}
	if _, err := m.step(ctx, p.moderate, p.steady/4); err != nil { // what is slow only once
		return r, err
	}
	broker := h.brokerTime()
	steady, err := m.step(ctx, p.moderate, p.steady)
	if err != nil {
		return r, err
	}
	r.moderate = steady.cpu
	if used := h.brokerTime() - broker; one.name == "ingest" && used > 0 {
		h.note("%s: beside ingest, Kafka takes %.0f ns for each of its records", v.name, float64(used)/p.moderate/p.steady.Seconds())
	}
	if one.cpuOnly {
		return r, nil
	}
	r.found, err = highest(ctx, p.start, p.bisect, func(rate float64) (attempt, error) {
		o, err := m.step(ctx, rate, p.step)
		if o.holds() {
			r.loaded = o.cpu
		}
		return o.attempt, err
	})
	if err == nil && p.profile && one.name == "ingest" {
		for _, rate := range []float64{p.moderate, r.best.sent / 2} {
			err = errors.Join(err, h.profile(ctx, m, v, rate))
		}
	}
	return r, err
}

// brokerTime is the CPU time of our Kafka, if it is ours.
func (h *harness) brokerTime() time.Duration {
	if h.broker == 0 {
		return 0
	}
	used, _ := cpuTime(h.broker) // without it a note is missing
	return used
}

// measurement is a collector with the sender that loads it.
type measurement struct {
	collector *collector
	sender    *sender
	verbose   bool
}

// outcome is what became of one rate, and the CPU ns for each record processed.
type outcome struct {
	attempt
	cpu float64
}

func (m *measurement) step(ctx context.Context, rate float64, d time.Duration) (o outcome, err error) {
	before, err := m.collector.read(ctx)
	if err != nil {
		return o, err
	}
	all, err := m.sender.run(ctx, rate, d)
	if err != nil {
		return o, err
	}
	time.Sleep(settle)
	after, err := m.collector.read(ctx)
	if err != nil {
		return o, err
	}
	done := m.processed(before, after, all)
	o.attempt = attempt{asked: rate, sent: all.rate(), lost: 1 - done/float64(all.records)}
	end, err := m.drain(ctx, after)
	if err != nil {
		return o, err
	}
	if done = m.processed(before, end, all); done > 0 {
		o.cpu = float64(end.cpu-before.cpu) / done
	}
	if m.verbose {
		fmt.Fprintf(os.Stderr, "\t%s asked, %s sent: %.2f %% lost, %.0f ns; %d datagrams dropped, waiting %d bytes and %.0f records\n", thousands(rate),
			thousands(o.sent), 100*o.lost, o.cpu, after.drops-before.drops, after.sockets.waiting, after.tally.waiting)
	}
	return o, nil
}

// truesize is what the kernel counts for a waiting datagram of 1,400 bytes (sk_buff and its page).
const truesize = 2304

// processed is how many of the records sent between two readings are done.
func (m *measurement) processed(before, after reading, all sent) float64 {
	if m.collector.counts != nil {
		return after.processed - before.processed
	}
	left := after.drops - before.drops + after.sockets.waiting/truesize
	return float64(all.records) * (1 - float64(left)/float64(all.datagrams))
}

// drain waits until nothing moves any more: what a rate left behind must not
// burden the next one.
func (m *measurement) drain(ctx context.Context, last reading) (reading, error) {
	for range 20 {
		if last.sockets.waiting == 0 && last.tally.waiting == 0 && m.collector.counts == nil {
			return last, nil
		}
		time.Sleep(150 * time.Millisecond)
		now, err := m.collector.read(ctx)
		if err != nil || now.processed == last.processed && now.sockets.waiting == 0 {
			return now, err
		}
		last = now
	}
	return last, nil
}
