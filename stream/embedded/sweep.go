package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sweeper deletes what is not kept: whole segments, and never the last one of a partition,
// which says where the next offset is. A compacted topic is not compacted. Its oldest
// segments go when each key in them stands in a later one too, as those of our
// state do, whose parts are written in turn.
type sweeper struct {
	cfg  KafkaConfig
	log  *slog.Logger
	adm  *kadm.Client
	keys map[string]keysOf // by the path of a segment that is complete
	stop context.CancelFunc
	done sync.WaitGroup
}

func newSweeper(cfg KafkaConfig, brokers []string, log *slog.Logger) (*sweeper, error) {
	cl, err := dial(brokers)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &sweeper{cfg: cfg, log: log, adm: kadm.NewClient(cl), keys: map[string]keysOf{}, stop: stop}
	s.done.Go(func() { s.run(ctx, cl) })
	return s, nil
}

func (s *sweeper) close() {
	s.stop()
	s.done.Wait()
}

func (s *sweeper) run(ctx context.Context, cl *kgo.Client) {
	defer cl.Close()
	tick := time.NewTicker(s.cfg.Sweep)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("what is not kept could not be deleted: the disk fills", "dir", s.cfg.Dir, "error", err)
		}
	}
}

// partition is one of a topic, as it stands on the disk.
type partition struct {
	topic    string
	number   int32
	segments []segmentFile
}

func (p *partition) bytes() (n int64) {
	for _, f := range p.segments {
		n += f.bytes
	}
	return n
}

// look returns what there is. A folder that is just being made, or deleted, is left out.
func (s *sweeper) look() (all []*partition) {
	root := filepath.Join(s.cfg.Dir, partitionsDir)
	folders, err := os.ReadDir(root)
	if err != nil {
		return nil
	}
	for _, f := range folders {
		at := strings.LastIndexByte(f.Name(), '-')
		if at < 0 {
			continue
		}
		topic, err := url.PathUnescape(f.Name()[:at])
		number, err2 := strconv.ParseInt(f.Name()[at+1:], 10, 32)
		segments, err3 := segmentsIn(filepath.Join(root, f.Name()))
		if err == nil && err2 == nil && err3 == nil && len(segments) > 0 {
			all = append(all, &partition{topic, int32(number), segments})
		}
	}
	return all
}

// sweep decides how many segments of each partition go, and deletes them.
func (s *sweeper) sweep(ctx context.Context) error {
	all := s.look()
	topics := map[string]policy{}
	going := map[*partition]int{}
	for _, p := range all {
		of, known := topics[p.topic]
		if !known {
			var err error
			if of, err = s.policy(ctx, p.topic); err != nil {
				return err
			}
			topics[p.topic] = of
		}
		if of.compacted {
			n, err := s.superseded(p, of)
			if err != nil {
				return err
			}
			going[p] = n
			continue
		}
		going[p] = expired(p, of.keep)
	}
	if s.cfg.Bytes > 0 {
		s.limit(all, going)
	}
	s.forget(all)
	return s.delete(ctx, going)
}

// policy is what a topic's settings say of what is kept.
type policy struct {
	compacted bool
	keep      time.Duration // negative: for ever
	deleted   time.Duration // how long it is kept that a key is gone
}

func (s *sweeper) policy(ctx context.Context, topic string) (policy, error) {
	of := policy{keep: s.cfg.Keep, deleted: 24 * time.Hour}
	configs, err := s.adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return of, fmt.Errorf("look up the settings of topic %s: %w", topic, err)
	}
	for _, c := range configs {
		for _, entry := range c.Configs {
			if entry.Source != kmsg.ConfigSourceDynamicTopicConfig {
				continue
			}
			ms, _ := strconv.ParseInt(entry.MaybeValue(), 10, 64) // kfake has checked numbers
			switch entry.Key {
			case "cleanup.policy":
				of.compacted = strings.Contains(entry.MaybeValue(), "compact")
			case "retention.ms":
				of.keep = time.Duration(ms) * time.Millisecond
			case "delete.retention.ms":
				of.deleted = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if keep, given := s.cfg.Retain[topic]; given {
		of.keep = keep
	}
	return of, nil
}

// expired is how many segments hold nothing that is young enough, beside what came last:
// a machine that was off has read none of what came last before.
func expired(p *partition, keep time.Duration) (n int) {
	last := p.segments[len(p.segments)-1].modified
	for keep >= 0 && n < len(p.segments)-1 && last.Sub(p.segments[n].modified) > keep {
		n++
	}
	return n
}

// limit lets segments of the bulk topic go, the oldest first, until the rest is small enough.
func (s *sweeper) limit(all []*partition, going map[*partition]int) {
	var total int64
	var bulk []*partition
	for _, p := range all {
		for _, f := range p.segments[going[p]:] {
			total += f.bytes
		}
		if p.topic == s.cfg.Bulk {
			bulk = append(bulk, p)
		}
	}
	early := 0
	for total > s.cfg.Bytes {
		bulk = slices.DeleteFunc(bulk, func(p *partition) bool { return going[p] >= len(p.segments)-1 })
		if len(bulk) == 0 {
			s.log.Error("more is kept than the limit of the disk allows, and nothing else may go", "dir", s.cfg.Dir, "bytes", total, "limit", s.cfg.Bytes)
			break
		}
		oldest := slices.MinFunc(bulk, func(a, b *partition) int {
			return a.segments[going[a]].modified.Compare(b.segments[going[b]].modified)
		})
		total -= oldest.segments[going[oldest]].bytes
		going[oldest]++
		early++
	}
	if early > 0 {
		s.log.Warn("records go before their time: the limit of the disk is reached", "topic", s.cfg.Bulk, "segments", early, "limit", s.cfg.Bytes)
	}
}

// keysOf are the keys of a segment, with the last offset and the stamp of each.
type keysOf map[string]keyed

type keyed struct {
	offset int64
	gone   time.Time // when it was deleted; zero: it has a value
}

// superseded is how many of the oldest segments hold no record that is the last of its key.
func (s *sweeper) superseded(p *partition, of policy) (int, error) {
	last := map[string]int64{}
	held := make([]keysOf, len(p.segments))
	for i := range p.segments {
		var err error
		if held[i], err = s.keysIn(&p.segments[i], i == len(p.segments)-1); err != nil {
			return 0, err
		}
		for k, r := range held[i] {
			last[k] = max(last[k], r.offset)
		}
	}
	for i, keys := range held[:len(held)-1] {
		for k, r := range keys {
			if r.offset == last[k] && (r.gone.IsZero() || time.Since(r.gone) < of.deleted) {
				return i, nil
			}
		}
	}
	return len(held) - 1, nil
}

// keysIn reads a segment; one that is complete, only once.
func (s *sweeper) keysIn(f *segmentFile, grows bool) (keysOf, error) {
	if keys, known := s.keys[f.path]; known {
		return keys, nil
	}
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	keys := keysOf{}
	_, err = batches(raw, func(b *kmsg.RecordBatch) error {
		records, err := kfake.BatchRecords(*b)
		for _, r := range records {
			k := keyed{offset: b.FirstOffset + int64(r.OffsetDelta)}
			if r.Value == nil {
				k.gone = time.UnixMilli(b.FirstTimestamp + r.TimestampDelta64)
			}
			keys[string(r.Key)] = k
		}
		return err
	})
	if err == nil && !grows {
		s.keys[f.path] = keys
	}
	return keys, err
}

// forget forgets the keys of segments that are gone.
func (s *sweeper) forget(all []*partition) {
	there := map[string]bool{}
	for _, p := range all {
		for _, f := range p.segments {
			there[f.path] = true
		}
	}
	for path := range s.keys {
		if !there[path] {
			delete(s.keys, path)
		}
	}
}

// delete deletes the oldest segments of each partition.
func (s *sweeper) delete(ctx context.Context, going map[*partition]int) error {
	offsets := kadm.Offsets{}
	for p, n := range going {
		if n > 0 {
			offsets.Add(kadm.Offset{Topic: p.topic, Partition: p.number, At: p.segments[n].base})
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	done, err := s.adm.DeleteRecords(ctx, offsets)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		return fmt.Errorf("delete records: %w", err)
	}
	return nil
}
