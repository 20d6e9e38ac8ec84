package detector

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Each detector says with each commit of an offset by which settings it judges, so that
// those of one group see whether they judge by the same.
const (
	peersEvery = 15 * time.Second
	// A partition without flows is not committed: what was said of it before may be of an owner that is gone.
	peersFresh = 2 * time.Minute
	// Settings that are changed everywhere differ for as long as that takes.
	peersGrace = 90 * time.Second
)

// peers is what is known of the other detectors of the group.
type peers struct {
	mu    sync.Mutex
	ours  uint64
	since time.Time // when others were first seen to differ from ours, and did ever since
	text  string
}

// note is what there is to say of them.
func (p *peers) note() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text
}

// says is what this detector tells the others.
func (d *Detector) says() string {
	host, _ := os.Hostname() // without it the digest tells enough
	return fmt.Sprintf("settings=%016x at=%d by=%s", d.digest(), time.Now().Unix(), host)
}

// look compares ours with what others said of their partitions.
func (p *peers) look(now time.Time, ours uint64, said map[int32]string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ours != p.ours {
		p.ours, p.since = ours, time.Time{}
	}
	var partitions, hosts []string
	for _, n := range slices.Sorted(maps.Keys(said)) {
		var theirs uint64
		var at int64
		var by string
		if _, err := fmt.Sscanf(said[n], "settings=%x at=%d by=%s", &theirs, &at, &by); err != nil && at == 0 {
			continue // of another release
		}
		if theirs != ours && now.Sub(time.Unix(at, 0)) < peersFresh {
			partitions = append(partitions, fmt.Sprint(n))
			hosts = append(hosts, by)
		}
	}
	slices.Sort(hosts)
	switch {
	case len(partitions) == 0:
		p.since, p.text = time.Time{}, ""
		return ""
	case p.since.IsZero():
		p.since = now
	}
	p.text = ""
	if now.Sub(p.since) >= peersGrace {
		p.text = fmt.Sprintf("%s judges partition %s by another window, other rules, or other internal prefixes than this detector: give all detectors of a group the same",
			strings.Join(slices.Compact(hosts), ", "), strings.Join(partitions, ", "))
	}
	return p.text
}

// comparePeers looks at the other detectors until ctx ends.
func (d *Detector) comparePeers(ctx context.Context) error {
	tick := time.NewTicker(peersEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			d.lookAtPeers(ctx, now)
		}
	}
}

func (d *Detector) lookAtPeers(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, peersEvery)
	defer cancel()
	said, err := d.consumer.Said(ctx)
	if err != nil {
		return // what cannot be asked is taken for right; the probe of Kafka says that it does not answer
	}
	if text := d.watch.peers.look(now, d.digest(), said); text != "" {
		d.log.Warn("detectors of one group judge by different settings", "group", d.cfg.Group, "who", text)
	}
}
