package stream

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// FlowBatcher collects flows into one open record for each partition. It belongs
// to one goroutine. It never blocks.
type FlowBatcher struct {
	p    *FlowProducer
	open []openRecord // by partition
	now  schema.Time  // of the last Tick
	next schema.Time  // the earliest instant at which a record can be old

	encoder schema.FlowEncoder
}

// openRecord is a record being filled.
type openRecord struct {
	value  []byte  // nil while there are no flows
	pooled *[]byte // where value came from, and goes back to
	flows  uint64
	since  schema.Time // arrival of the first flow, by the caller's clock
	newest schema.Time // arrival of the last flow, by the flow
}

// NewBatcher returns a batcher for one worker.
func (p *FlowProducer) NewBatcher() *FlowBatcher {
	return &FlowBatcher{p: p, open: make([]openRecord, p.partitions)}
}

// Add encodes flows into the open records of their owners' partitions, and hands
// over those that are full. The flows are not kept.
func (b *FlowBatcher) Add(flows []schema.Flow) {
	b.p.count.added.Add(uint64(len(flows)))
	for i := range flows {
		f := &flows[i]
		n := schema.Partition(f.Owner(), len(b.open))
		r := &b.open[n]
		if r.value == nil {
			b.begin(r)
		}
		before := len(r.value)
		r.value = b.encoder.Append(r.value, f)
		if len(r.value) > b.p.cfg.BatchBytes && before > 0 {
			b.split(n, before)
		}
		r.flows++
		r.newest = max(r.newest, f.Received)
		if r.flows >= uint64(b.p.cfg.BatchFlows) || len(r.value) >= b.p.cfg.BatchBytes {
			b.handOver(n)
		}
	}
}

func (b *FlowBatcher) begin(r *openRecord) {
	r.pooled = b.p.buffers.Get().(*[]byte)
	r.value = (*r.pooled)[:0]
	r.flows, r.since, r.newest = 0, b.now, 0
	if due := b.now.Add(b.p.cfg.BatchAge); b.next == 0 || due < b.next {
		b.next = due
	}
}

// split hands over what stood in the record before its last flow, which made it
// too long, and begins the next one with that flow.
func (b *FlowBatcher) split(n, before int) {
	r := &b.open[n]
	full := *r
	last := full.value[before:]
	b.begin(r)
	r.value = append(r.value, last...)
	full.value = full.value[:before]
	b.send(n, full)
}

// Tick tells the batcher the time, and hands over the records that are older
// than BatchAge. It costs a comparison when there are none: call it for each
// batch of datagrams and when idle.
func (b *FlowBatcher) Tick(now schema.Time) {
	b.now = now
	if b.next == 0 || now < b.next {
		return
	}
	b.next = 0
	for n := range b.open {
		r := &b.open[n]
		if r.value == nil {
			continue
		}
		// A clock that was set back must not keep a record for long.
		if age := now.Sub(r.since); age >= b.p.cfg.BatchAge || age < 0 {
			b.handOver(n)
		} else if due := r.since.Add(b.p.cfg.BatchAge); b.next == 0 || due < b.next {
			b.next = due
		}
	}
}

// Close hands over every open record.
func (b *FlowBatcher) Close() {
	for n := range b.open {
		if b.open[n].value != nil {
			b.handOver(n)
		}
	}
	b.next = 0
}

func (b *FlowBatcher) handOver(n int) {
	r := b.open[n]
	b.open[n] = openRecord{}
	b.send(n, r)
}

func (b *FlowBatcher) send(n int, r openRecord) {
	*r.pooled = r.value
	rec := &flowRecord{p: b.p, flows: r.flows, pooled: r.pooled}
	rec.Topic, rec.Partition, rec.Value = b.p.cfg.Topic, int32(n), r.value
	// A record that went early must not hold a whole buffer: Kafka's absence would then
	// cost many times the bytes that the limit counts.
	if len(rec.Value) < cap(rec.Value)/2 {
		rec.Value = append(make([]byte, 0, len(rec.Value)), rec.Value...)
		b.p.buffers.Put(r.pooled)
		rec.pooled = nil
	}
	// The newest arrival: a reader that looks for an instant by the records' stamps then
	// finds every flow that came since. Zero, of a flow that was never received, is now.
	if r.newest != 0 {
		rec.Timestamp = r.newest.Std()
	} else {
		rec.Timestamp = time.Now()
	}
	b.p.send(rec)
}
