package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/alerter"
	"github.com/scanhound/scanhound/cmd/internal/detector"
	"github.com/scanhound/scanhound/cmd/internal/ingest"
)

// chain is what every stage has counted.
type chain struct {
	sent, unplayed uint64
	ingest         ingest.Stats
	detector       detector.Stats
	alerter        alerter.Stats
	received       uint64
}

func (p *pipeline) chain(played *player) chain {
	return chain{
		sent: played.sent.Load(), unplayed: played.unplayed.Load(),
		ingest: p.ingest.Stats(), detector: p.detector.Stats(), alerter: p.alerter.Stats(),
		received: p.subscriber.received.Load(),
	}
}

// idle: what went into each stage has come out of it.
func (c *chain) idle() bool {
	u, f, d := &c.ingest.UDP, &c.ingest.Flows, &c.detector
	return u.Datagrams+u.Truncated+u.KernelDrops == c.sent &&
		c.ingest.Decoded.Datagrams+c.ingest.Refused+c.ingest.Limited == u.Datagrams &&
		f.Added+c.ingest.Oriented.Held == c.ingest.Decoded.Records.Flows+c.ingest.Copies && f.Pending == 0 &&
		d.Detect.Consumed+d.BadFlows == f.Produced &&
		d.Alerts.Produced+d.Alerts.Refused == d.Detect.Revisions-d.Silent &&
		c.alerter.Records == d.Alerts.Produced &&
		c.alerter.Records == c.alerter.Bad+c.alerter.Published+c.alerter.Refused &&
		c.received == c.alerter.Published-c.alerter.Duplicates
}

// idleTimeout is how long the stages may take to finish what was played.
const idleTimeout = 30 * time.Second

// waitUntilIdle returns when nothing is on its way any more.
func (p *pipeline) waitUntilIdle(ctx context.Context, played *player) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	giveUp := time.NewTimer(idleTimeout)
	defer giveUp.Stop()
	for {
		if c := p.chain(played); c.idle() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-giveUp.C:
			return fmt.Errorf("not all that was played has come through within %v: the counts say where it is", idleTimeout)
		case <-look.C:
		}
	}
}

// report writes the chain of stages with its counts.
func (p *pipeline) report(played *player, w io.Writer) {
	c := p.chain(played)
	t := newTable(w)
	t.note("")
	t.stage("played")
	t.row("datagrams", c.sent)
	t.nonzero("datagrams that could not be moved in time", c.unplayed)
	t.stage("ingest")
	t.row("datagrams received", c.ingest.UDP.Datagrams)
	t.nonzero("datagrams dropped by the kernel", c.ingest.UDP.KernelDrops)
	t.nonzero("datagrams too long", c.ingest.UDP.Truncated)
	t.nonzero("datagrams left out: exporter not allowed", c.ingest.Refused)
	t.nonzero("datagrams left out: exporter over its rate", c.ingest.Limited)
	t.row("records decoded", c.ingest.Decoded.Records.Seen)
	t.row("flows", c.ingest.Decoded.Records.Flows)
	t.row("flows turned round", c.ingest.Oriented.Swapped)
	t.nonzero("flows held: a session may still come that they belong to", c.ingest.Oriented.Held)
	t.nonzero("sessions copied to the partition of an alerted source", c.ingest.Copies)
	t.stage("kafka")
	t.row("flows produced", c.ingest.Flows.Produced)
	t.row("in records", c.ingest.Flows.Records)
	t.nonzero("flows lost: the queue was full", c.ingest.Flows.QueueFull)
	t.nonzero("flows lost: Kafka refused them", c.ingest.Flows.Failed)
	t.stage("detector")
	t.row("flows consumed", c.detector.Detect.Consumed)
	c.detector.Detect.Fates(func(fate string, n uint64) bool { t.nonzero("  "+fate, n); return true })
	t.row("sources held", c.detector.Detect.Sources)
	t.row("alerts opened", c.detector.Detect.Opened)
	t.row("alert revisions produced", c.detector.Alerts.Produced)
	t.stage("alerter")
	t.row("alert revisions published", c.alerter.Published)
	t.stage("subscriber")
	t.row("alert revisions received", c.received)
	_ = t.flush() // a terminal that is gone has nobody to tell
}
