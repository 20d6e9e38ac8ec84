package ingest

import (
	"context"
	"time"
)

// Where flows are lost or held up is told apart: in the socket when this program
// is too slow, in the queue when Kafka is. A loss that nobody hears of is found
// weeks later.

// tellEvery is how often losses are looked for.
const tellEvery = 10 * time.Second

// stalled is the share of the buffer that waits for Kafka when it is logged.
const stalled = 0.5

// tellLosses logs what was lost since the last look, until ctx ends.
func (in *Ingest) tellLosses(ctx context.Context) error {
	every := time.NewTicker(tellEvery)
	defer every.Stop()
	last := in.Stats()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		now := in.Stats()
		in.tell(&last, &now)
		last = now
	}
}

func (in *Ingest) tell(last, now *Stats) {
	if n := now.UDP.KernelDrops - last.UDP.KernelDrops; n > 0 {
		in.log.Warn("datagrams lost: the socket's buffer was full, this program is too slow; add workers, cores or instances, or raise receive-buffer",
			"datagrams", n, "received", now.UDP.Datagrams-last.UDP.Datagrams)
	}
	if n := now.Flows.QueueFull - last.Flows.QueueFull; n > 0 {
		in.log.Warn("flows lost: the queue to Kafka was full; see what slows the brokers down, or raise flows-buffer",
			"flows", n, "produced", now.Flows.Produced-last.Flows.Produced)
	}
	if n := now.Flows.Failed - last.Flows.Failed; n > 0 {
		in.log.Warn("flows lost: Kafka refused them; the errors before say why", "flows", n)
	}
	if share := float64(now.Flows.Buffered) / float64(in.cfg.Flows.Buffer); share > stalled {
		in.log.Warn("Kafka takes flows slower than they come; the queue fills", "full", share, "flows", now.Flows.Pending)
	}
	if n := now.Templates.Waiting.Lost.Sets - last.Templates.Waiting.Lost.Sets; n > 0 {
		in.log.Warn("data sets lost: their template never came; /templates lists which", "sets", n)
	}
}
