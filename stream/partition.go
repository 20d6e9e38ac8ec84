package stream

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Assignment is what is known of a partition when it is assigned.
type Assignment struct {
	Topic     string
	Partition int32
	Committed int64    // the first offset that is not processed yet; -1: none was ever committed
	Earliest  int64    // the first offset that Kafka still has
	High      int64    // the offset of the next record to be written
	TopicID   [16]byte // Kafka's id of the topic; zero: unknown
	// LastStamp is the stamp (arrival) of the last record below Committed; zero if there is none.
	LastStamp time.Time
}

// partition is an assigned partition: one goroutine, run, and its Worker.
type partition struct {
	Assignment
	c      *Consumer
	worker Worker
	ctx    context.Context // of the running batch
	cut    context.CancelFunc
	in     chan []*kgo.Record // 1: one batch waits while one is processed; poll sends, never closed
	quit   chan struct{}      // closed: finish the running batch, take no other
	done   chan struct{}      // closed by run when the Worker is closed
	reason Reason             // set before quit is closed

	// Written by run alone; committed also by whoever waited for done.
	next, durable, committed, high atomic.Int64
}

// commitTimeout bounds one commit. It is not the caller's context: what ends the
// caller must not keep what it has done from being written down.
const commitTimeout = 5 * time.Second

func (c *Consumer) start(a Assignment, w Worker, from, done int64) *partition {
	p := &partition{Assignment: a, c: c, worker: w, in: make(chan []*kgo.Record, 1),
		quit: make(chan struct{}), done: make(chan struct{})}
	p.ctx, p.cut = context.WithCancel(context.Background())
	p.next.Store(from)
	p.durable.Store(done)
	p.committed.Store(a.Committed)
	p.high.Store(a.High)
	go p.run()
	return p
}

// run processes what comes until the partition goes or the Worker fails.
func (p *partition) run() {
	defer close(p.done)
	defer p.cut()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	if p.c.cfg.CommitInterval > 0 {
		timer.Reset(p.c.cfg.CommitInterval)
	}
	if err := p.prepare(); err != nil {
		p.failed(err)
		return
	}
	keeper, keep := p.keeper()
	defer keep.Stop()
	for {
		select {
		case <-p.quit:
			p.worker.Close(p.ctx, p.reason)
			return
		case <-keep.C:
			keeper.Keep(p.ctx)
		case records := <-p.in:
			p.c.signalRoom()
			if p.gone() {
				continue // not begun, so left to the next owner
			}
			if err := p.process(records); err != nil {
				p.failed(err)
				return
			}
			if keeper != nil {
				keeper.Keep(p.ctx)
			}
		case <-timer.C:
			p.commitOwn()
			timer.Reset(max(p.c.cfg.CommitInterval, time.Second))
		}
	}
}

// prepare lets the Worker prepare, and has its records fetched from then on.
func (p *partition) prepare() error {
	preparer, ok := p.worker.(Preparer)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithCancel(p.ctx)
	stop := make(chan struct{})
	go func() {
		select {
		case <-p.quit:
			cancel()
		case <-stop:
		}
	}()
	err := preparer.Prepare(ctx)
	close(stop)
	cancel()
	if p.gone() {
		return nil
	}
	if err == nil {
		p.resume()
	}
	return err
}

// resume has the partition fetched that waited for its Worker.
func (p *partition) resume() {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.cl != nil {
		p.c.cl.ResumeFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
	}
}

// keeper is the Worker, if it is a Keeper, and when it is called.
func (p *partition) keeper() (Keeper, *time.Ticker) {
	tick := time.NewTicker(keepEvery)
	k, ok := p.worker.(Keeper)
	if !ok {
		tick.Stop()
	}
	return k, tick
}

func (p *partition) gone() bool {
	select {
	case <-p.quit:
		return true
	default:
		return false
	}
}

func (p *partition) process(records []*kgo.Record) error {
	done, err := p.worker.Process(p.ctx, records)
	if done > max(p.durable.Load(), 0) { // zero says nothing, and is not worth a commit
		p.durable.Store(done)
	}
	if err != nil {
		return err
	}
	bytes := 0
	for _, r := range records {
		bytes += len(r.Key) + len(r.Value)
	}
	p.c.count.records.Add(uint64(len(records)))
	p.c.count.bytes.Add(uint64(bytes))
	p.next.Store(records[len(records)-1].Offset + 1)
	if p.c.cfg.CommitInterval == 0 {
		p.commitOwn()
	}
	return nil
}

// failed ends Run with the Worker's error, unless the Worker was cut off: then the
// next owner reads the batch again.
func (p *partition) failed(err error) {
	if p.ctx.Err() != nil {
		p.c.log.Warn("a batch was cut off and will be read again", "partition", p.Partition, "error", err)
		<-p.quit // closed before it was cut off, or about to be: the reason is known behind it
		p.worker.Close(p.ctx, p.reason)
		return
	}
	p.c.fail(fmt.Errorf("process partition %d of %s: %w", p.Partition, p.Topic, err))
	p.cut()
	<-p.quit
	p.worker.Close(p.ctx, p.reason)
}

// fail ends Run with err.
func (c *Consumer) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel(&workerError{err})
}

// commitOwn commits this partition alone, from its goroutine.
func (p *partition) commitOwn() {
	p.c.mu.Lock()
	cl := p.c.cl
	p.c.mu.Unlock()
	_ = p.c.commit(p.ctx, cl, []*partition{p}) // it is logged, and tried again
}

// letGo ends the given partitions, or all of them, commits what they have done,
// and returns when nothing of them runs any more. Lost ones are cut off at once,
// and nothing is committed: it would be refused, or undo what the new owner commits. Its
// error is that something could not be committed.
func (c *Consumer) letGo(cl *kgo.Client, which []int32, reason Reason) error {
	c.handover.Lock()
	defer c.handover.Unlock()
	going := c.take(which)
	for _, p := range going {
		p.reason = reason
		close(p.quit)
		if reason == Lost {
			p.cut()
		}
	}
	cutOff := time.AfterFunc(c.cfg.DrainTimeout, func() {
		for _, p := range going {
			p.cut()
		}
	})
	defer cutOff.Stop()
	for _, p := range going {
		<-p.done
	}
	c.signalRoom()
	if reason == Lost {
		return nil
	}
	return c.commit(context.Background(), cl, going)
}

// take removes the given partitions, or with nil all of them, from those held.
func (c *Consumer) take(which []int32) []*partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taken []*partition
	for n, p := range c.held {
		if which == nil || slices.Contains(which, n) {
			taken = append(taken, p)
			delete(c.held, n)
		}
	}
	return taken
}

// commit writes down what the partitions have made durable. What cannot be
// committed now is part of the next commit, or is read again.
func (c *Consumer) commit(ctx context.Context, cl *kgo.Client, ps []*partition) error {
	offsets := map[int32]int64{}
	for _, p := range ps {
		if d := p.durable.Load(); d > p.committed.Load() {
			offsets[p.Partition] = d
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if err := c.commitOffsets(ctx, cl, offsets); err != nil {
		c.count.commitFailures.Add(1)
		c.log.Warn("commit offsets; they are tried again with the next, or the records are read again", "error", err)
		return err
	}
	c.count.commits.Add(1)
	for _, p := range ps {
		if o, ok := offsets[p.Partition]; ok {
			p.committed.Store(o)
		}
	}
	return nil
}
