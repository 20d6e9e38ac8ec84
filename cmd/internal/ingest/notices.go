package ingest

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// A template that changes, or that cannot be, is often the first that is seen of two exporters behind one
// address, of a broken one, or of somebody who forges. All are counted on the account of their exporter. The log
// has some of them: whoever forges addresses must neither fill it, nor hide what an honest exporter does.

const (
	// noticeEvery is how often one exporter is logged for one kind of notice.
	noticeEvery = time.Minute
	// noticesAtOnce is how many lines there may be of all exporters without a name in this time.
	noticesAtOnce = 60
)

// TemplateAccount counts what an exporter did to its templates.
type TemplateAccount struct {
	Changed  uint64 // times that one was not as before
	Flapping uint64 // of these, those that came again and again
	Refused  uint64 // that cannot be
	Sets     uint64 // sets that cannot be

	told [noticeKinds]schema.Time // when each kind was logged last
}

func (a *TemplateAccount) add(o *TemplateAccount) {
	a.Changed += o.Changed
	a.Flapping += o.Flapping
	a.Refused += o.Refused
	a.Sets += o.Sets
}

func (a *TemplateAccount) any() bool { return a.Changed|a.Refused|a.Sets > 0 }

type noticeKind int

const (
	changedOnce noticeKind = iota
	flapping
	refusedTemplate
	refusedSet
	noticeKinds
)

func kindOf(n *netflow.Notice) noticeKind {
	switch {
	case n.Fault == netflow.ShortSet:
		return refusedSet
	case n.Fault != netflow.Changed:
		return refusedTemplate
	case n.Flapping():
		return flapping
	}
	return changedOnce
}

// note counts what one datagram or one entry did, and logs it if it is its turn.
func (e *Exporter) note(all *netflow.Notices, now schema.Time, log *noticeLog) {
	a := &e.Templates
	a.Changed += all.Changed
	a.Flapping += all.Flapping
	a.Refused += all.Refused
	a.Sets += all.Sets
	for i := range all.First {
		n := &all.First[i]
		told := &a.told[kindOf(n)]
		if *told != 0 && now.Sub(*told) < noticeEvery {
			continue
		}
		*told = now
		log.say(e, n, now)
	}
}

// noticeLog is the log of all workers, bounded. Exporters with a name are few, and always have their turn.
type noticeLog struct {
	log *slog.Logger

	mu    sync.Mutex
	since schema.Time // the lines are counted
	lines int
	more  uint64 // that were left out since the last line
}

// turn reports whether one more line may be logged, and how many were left out before it.
func (l *noticeLog) turn(now schema.Time) (more uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= noticeEvery {
		l.since, l.lines = now, 0
	}
	if l.lines >= noticesAtOnce {
		l.more++
		return 0, false
	}
	l.lines++
	more, l.more = l.more, 0
	return more, true
}

// say logs n. It names its exporter also where the account is that of many.
func (l *noticeLog) say(e *Exporter, n *netflow.Notice, now schema.Time) {
	of := []any{"exporter", n.Exporter, "port", n.Port, "version", n.Version, "domain", n.Domain}
	if e.Name != "" {
		of = append(of, "name", e.Name)
	} else if more, ok := l.turn(now); !ok {
		return
	} else if more > 0 {
		of = append(of, "not_logged_before", more)
	}
	log := l.log.With(of...)
	switch kindOf(n) {
	case changedOnce:
		log.Info("an exporter changed a template: it was restarted or set up anew, and its data is read by the new one",
			"template", n.ID, "fields", n.Difference())
	case flapping:
		log.Warn("a template changes again and again: two exporters seem to send from one address and port with one observation domain, "+
			"and their flows may be read wrongly; give each an address or a domain of its own",
			"template", n.ID, "times", n.Times, "fields", n.Difference())
	case refusedTemplate:
		log.Warn("a template was refused, and data of it cannot be read; look at the exporter, or at who else sends from its address",
			"template", n.ID, "why", n.Why())
	case refusedSet:
		log.Warn("a set was refused, and what stands behind it in its datagram; look at the exporter, or at who else sends from its address",
			"set", n.ID, "why", n.Why())
	}
}

// loaded puts what another ingest heard of an exporter on its account here. The account has no datagrams, as that of
// flows that waited: of all accounts these make room first.
func (in *Ingest) loaded(from netip.Addr, all *netflow.Notices) {
	w := in.workers[0]
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.exporters.allowed(from) {
		return
	}
	now := schema.TimeOf(time.Now())
	w.exporters.of(from, now).note(all, now, w.notices)
}
