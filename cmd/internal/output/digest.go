package output

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
)

// digest is the scans of low severity from outside, which an output tells together. What comes twice
// counts once, so a batch that is sent again changes nothing. The zero value is empty.
type digest struct {
	from  time.Time
	scans map[string]digested // by the id of an alert
	more  uint64              // revisions that found no room
}

// digested is what is kept of an alert.
type digested struct {
	revision uint32
	kind     schema.Kind
	source   netip.Addr
	pairs    uint64
	ports    []schema.PortCount
}

const (
	maxDigested   = 10_000 // some 300 bytes each
	digestedPorts = 3
	digestedTop   = 10
)

// belongs reports whether an entry tells an alert in its digest.
func (e *Entry) belongs(a *schema.Alert) bool {
	return e.Digest > 0 && a.Severity == schema.Low && !a.Internal
}

func (g *digest) add(a *schema.Alert, now time.Time) {
	if g.scans == nil {
		g.scans, g.from = map[string]digested{}, now
	}
	was, known := g.scans[a.ID]
	switch {
	case !known && len(g.scans) >= maxDigested:
		g.more++
	case was.revision < a.Revision:
		ports := slices.Clone(a.TopPorts[:min(len(a.TopPorts), digestedPorts)])
		g.scans[a.ID] = digested{a.Revision, a.Kind, a.Source, a.Pairs.Count, ports}
	}
}

// due reports whether the digest is to be told: with the end of each period of the clock, as each full hour.
func (g *digest) due(every time.Duration, now time.Time) bool {
	return g.scans != nil && !now.Truncate(every).Equal(g.from.Truncate(every))
}

// told is the digest as it is told.
func (g *digest) told(name string, until time.Time) siem.Digest {
	d := siem.Digest{
		ID: fmt.Sprintf("digest.%s.%d", name, g.from.UnixMilli()), From: g.from, Until: until,
		Scans: uint64(len(g.scans)), More: g.more, Kinds: map[string]int{}, TopPorts: []siem.DigestPort{}, Top: []siem.DigestScan{},
	}
	sources, ports := map[netip.Addr]bool{}, map[siem.DigestPort]int{}
	for id, s := range g.scans {
		sources[s.source] = true
		d.Kinds[string(s.kind)]++
		for _, p := range s.ports {
			ports[siem.DigestPort{Port: p.Port, Proto: p.Proto}]++
		}
		d.Top = append(d.Top, siem.DigestScan{ID: id, Source: s.source.String(), Pairs: s.pairs})
	}
	d.Sources = len(sources)
	for p, scans := range ports {
		p.Scans = scans
		d.TopPorts = append(d.TopPorts, p)
	}
	slices.SortFunc(d.Top, func(a, b siem.DigestScan) int { return cmp.Or(cmp.Compare(b.Pairs, a.Pairs), cmp.Compare(a.ID, b.ID)) })
	slices.SortFunc(d.TopPorts, func(a, b siem.DigestPort) int {
		return cmp.Or(b.Scans-a.Scans, cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	d.Top, d.TopPorts = d.Top[:min(len(d.Top), digestedTop)], d.TopPorts[:min(len(d.TopPorts), digestedTop)]
	return d
}

// tellDigest sends the digest, and forgets it when the receiver has taken it. The output's lock is held.
func (o *output) tellDigest(ctx context.Context, now time.Time) error {
	said := o.digest.told(o.Name, now)
	text, err := o.writer.AppendDigest(nil, said)
	if err != nil {
		return err // Read has refused an entry like this
	}
	said.Message = said.Sentence()
	// A sink takes its time and its severity from the alert.
	of := &schema.Alert{ID: said.ID, Revision: 1, State: "digest", Severity: schema.Low, LastSeen: now}
	if err := o.deliver(ctx, []document{{text, of, said.Message}}); err != nil {
		return err
	}
	o.digest = digest{}
	return nil
}

// digestLook is how often it is asked whether a digest is due.
const digestLook = 5 * time.Second

// tellDigests tells digests when they are due, also while no alerts come, until ctx ends.
func (o *output) tellDigests(ctx context.Context) {
	every := time.NewTicker(digestLook)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			o.mu.Lock()
			if o.digest.due(o.Digest, now) {
				_ = o.tellDigest(ctx, now) // it is logged, and told again: deliver ends with ctx alone
			}
			o.mu.Unlock()
		}
	}
}

// lastDigest tells what a digest has when the output ends.
func (o *output) lastDigest() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.digest.scans == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), drainTimeout)
	defer stop()
	if err := o.tellDigest(ctx, time.Now()); err != nil {
		o.log.Warn("a digest is not told: its receiver is away while the output ends", "scans", len(o.digest.scans), "error", err)
	}
}
