package alerter

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/segmentio/encoding/json"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// The bucket of the scanners: who has an open alert, by address.
const (
	Bucket = "active_scanners"

	bucketAge     = 72 * time.Hour // longer than a scan may be silent before it closes
	bucketBytes   = 256 << 20
	bucketTimeout = 5 * time.Second
	bucketRest    = 10 * time.Second // after a failure, so that alerts do not wait for the next ones
	maxTodo       = 10_000           // sources that wait to be written; more are left to their next revision
	maxActive     = 32               // alerts of one scanner; of more, those last seen
	bucketWorkers = 16
)

// Scanner is what the bucket says of one source.
type Scanner struct {
	Source   netip.Addr      `json:"source"`
	Prefix   uint8           `json:"source_prefix,omitempty"` // 64 where the source is all of an IPv6 /64
	Severity schema.Severity `json:"severity"`                // the greatest of its alerts
	Alerts   []ActiveAlert   `json:"alerts"`
	LastSeen time.Time       `json:"last_seen"`
}

// ActiveAlert is an open alert as its newest revision says.
type ActiveAlert struct {
	ID       string          `json:"id"`
	Revision uint32          `json:"revision"`
	Kind     schema.Kind     `json:"kind"`
	Severity schema.Severity `json:"severity"`
	Hosts    uint64          `json:"hosts"`
	Ports    uint64          `json:"ports"`
	LastSeen time.Time       `json:"last_seen"`
}

// ScannerKey is the key of a source: an IPv4 address as it is written, an IPv6 one as 32 hex digits,
// since a key holds no colon.
func ScannerKey(a netip.Addr) string {
	if a = a.Unmap(); a.Is4() {
		return a.String()
	}
	b := a.As16()
	return hex.EncodeToString(b[:])
}

// scanners writes the bucket. What it cannot write waits for a later try, and alerts wait for
// nothing. What waits goes with a crash: then the next revision of the alert writes it.
type scanners struct {
	nats    *stream.NATS
	log     *slog.Logger
	replica int

	mu    sync.Mutex
	kv    jetstream.KeyValue
	rests time.Time                  // until then nothing is tried
	todo  map[string][]*schema.Alert // by key

	failed, written atomic.Uint64
}

// bucket returns the bucket, which it makes if need be and may.
func (s *scanners) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kv != nil {
		return s.kv, nil
	}
	kv, err := s.nats.JetStream().KeyValue(ctx, Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = s.nats.JetStream().CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: Bucket, Description: "sources that have an open scan alert", TTL: bucketAge, MaxBytes: bucketBytes, History: 1, Replicas: s.replica,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", Bucket, err)
	}
	s.kv = kv
	return kv, nil
}

// note brings the bucket up to the alerts, which NATS has.
func (s *scanners) note(ctx context.Context, alerts []stream.RawAlert) {
	s.mu.Lock()
	for _, raw := range alerts {
		a, err := schema.ParseAlert(raw.Data)
		if err != nil || !a.Source.IsValid() { // of a newer form it may be none
			continue
		}
		key := ScannerKey(a.Source)
		if list := s.todo[key]; len(list) < maxActive && len(s.todo) < maxTodo {
			s.todo[key] = append(list, a)
		} else {
			s.failed.Add(1)
		}
	}
	s.mu.Unlock()
	s.catchUp(ctx)
}

// Run tries again what could not be written, until ctx ends.
func (s *scanners) Run(ctx context.Context) error {
	tick := time.NewTicker(bucketTimeout)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.catchUp(ctx)
		}
	}
}

// take returns what is to be written, unless it is to rest.
func (s *scanners) take() (todo map[string][]*schema.Alert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.rests) || len(s.todo) == 0 {
		return nil
	}
	todo, s.todo = s.todo, map[string][]*schema.Alert{}
	return todo
}

func (s *scanners) waiting() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(len(s.todo))
}

// putBack keeps what could not be written, before what has come since.
func (s *scanners) putBack(key string, list []*schema.Alert, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rests = time.Now().Add(bucketRest)
	s.todo[key] = append(list, s.todo[key]...)
	s.failed.Add(1)
	s.log.Warn("the bucket of active scanners is not written, it is tried again; alerts are published", "key", key, "error", err)
}

func (s *scanners) catchUp(ctx context.Context) {
	todo := s.take()
	if todo == nil {
		return
	}
	ctx, stop := context.WithTimeout(ctx, bucketTimeout)
	defer stop()
	kv, err := s.bucket(ctx)
	var wait sync.WaitGroup
	slots := make(chan struct{}, bucketWorkers)
	for key, list := range todo {
		if err != nil {
			s.putBack(key, list, err)
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := s.update(ctx, kv, key, list); err != nil {
				s.putBack(key, list, err)
				return
			}
			s.written.Add(1)
		})
	}
	wait.Wait()
}

// update reads, joins and writes one key, again if another alerter wrote it meanwhile.
func (s *scanners) update(ctx context.Context, kv jetstream.KeyValue, key string, list []*schema.Alert) error {
	for {
		var now Scanner
		var revision uint64
		entry, err := kv.Get(ctx, key)
		switch {
		case err == nil:
			revision = entry.Revision()
			if err := json.Unmarshal(entry.Value(), &now); err != nil {
				s.log.Warn("a scanner's entry is unreadable and made anew", "bucket", Bucket, "key", key, "error", err)
				now = Scanner{}
			}
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return err
		}
		if !now.join(list) {
			return nil
		}
		switch {
		case len(now.Alerts) == 0 && revision == 0:
			return nil
		case len(now.Alerts) == 0:
			err = kv.Delete(ctx, key, jetstream.LastRevision(revision))
		default:
			var text []byte
			if text, err = json.Marshal(&now); err != nil {
				return err
			}
			if revision == 0 {
				_, err = kv.Create(ctx, key, text)
			} else {
				_, err = kv.Update(ctx, key, text, revision)
			}
		}
		var api *jetstream.APIError
		conflict := errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) &&
			(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
		if !conflict || ctx.Err() != nil {
			return err
		}
	}
}

// join brings s up to these revisions, and reports whether it is another than it was.
func (s *Scanner) join(list []*schema.Alert) (changed bool) {
	for _, a := range list {
		at := slices.IndexFunc(s.Alerts, func(o ActiveAlert) bool { return o.ID == a.ID })
		switch {
		case at >= 0 && s.Alerts[at].Revision >= a.Revision:
			continue // it is read again, after a crash
		case a.State == schema.Close && at < 0:
			continue
		case a.State == schema.Close:
			s.Alerts = slices.Delete(s.Alerts, at, at+1)
		default:
			if at < 0 && len(s.Alerts) == maxActive {
				at = s.oldest()
			} else if at < 0 {
				at, s.Alerts = len(s.Alerts), append(s.Alerts, ActiveAlert{})
			}
			s.Alerts[at] = ActiveAlert{a.ID, a.Revision, a.Kind, a.Severity, a.Hosts.Count, a.Ports.Count, a.LastSeen}
		}
		changed = true
		s.Source, s.Prefix = a.Source, a.Prefix
	}
	s.Severity, s.LastSeen = "", time.Time{}
	for _, a := range s.Alerts {
		s.Severity = s.Severity.OrMore(a.Severity)
		if a.LastSeen.After(s.LastSeen) {
			s.LastSeen = a.LastSeen
		}
	}
	return changed
}

func (s *Scanner) oldest() (at int) {
	for i := range s.Alerts {
		if s.Alerts[i].LastSeen.Before(s.Alerts[at].LastSeen) {
			at = i
		}
	}
	return at
}
