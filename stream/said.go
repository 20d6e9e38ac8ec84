package stream

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

// Said is what was written to a partition of the alerts from an offset on.
type Said struct {
	Revisions map[string]bool // the message ids
	End       int64           // where the next one will be written
}

// Said reads what was said of a partition of the flows from an offset of its alerts on.
// What the topic keeps no more, or is no alert, is not among it.
func (p *AlertProducer) Said(ctx context.Context, partition int32, from int64) (*Said, error) {
	to := partition % int32(p.partitions)
	first, err := askOffsets(ctx, p.cl, p.cfg.Topic, map[int32]int64{to: earliest})
	if err != nil {
		return nil, fmt.Errorf("look up topic %s: %w", p.cfg.Topic, err)
	}
	last, err := askOffsets(ctx, p.cl, p.cfg.Topic, map[int32]int64{to: latest})
	if err != nil {
		return nil, fmt.Errorf("look up topic %s: %w", p.cfg.Topic, err)
	}
	said := &Said{Revisions: map[string]bool{}, End: last[to]}
	from = max(from, first[to])
	if from >= said.End {
		return said, nil
	}
	err = readPartition(ctx, p.kafka, p.cfg.Topic, to, kgo.NewOffset().At(from), p.log, func(r *kgo.Record) bool {
		if h, err := schema.ReadAlertHeader(r.Value); err == nil && r.Offset < said.End {
			said.Revisions[h.MessageID()] = true
		}
		return r.Offset < said.End-1
	})
	return said, err
}

// End is the offset behind the last alert that this producer wrote to the partition of
// the alerts that a partition of the flows has; 0 before the first.
func (p *AlertProducer) End(partition int32) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends[partition%int32(p.partitions)]
}

func (p *AlertProducer) wrote(r *kgo.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends[r.Partition] = max(p.ends[r.Partition], r.Offset+1)
}
