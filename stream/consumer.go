package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ConsumerConfig says how a topic is read.
type ConsumerConfig struct {
	Topic string `kong:"-"` // which topic, and
	Group string `kong:"-"` // for which group: the program knows

	InstanceID     string        `name:"instance-id" help:"Name of this member that outlives a crash: one that starts under it within the session timeout gets its partitions at once. Only where names are stable, as in a StatefulSet." placeholder:"NAME"`
	SessionTimeout time.Duration `default:"7s" help:"How long a member may be silent until the group gives its partitions to others. Brokers allow no less than 6s unless group.min.session.timeout.ms says so."`
	CommitInterval time.Duration `default:"1s" help:"How often offsets are committed; 0s commits after every batch."`

	Says func() string `kong:"-"` // what this member says of itself with each commit; nil: nothing

	DrainTimeout time.Duration `kong:"-"` // how long a running batch may take to end; 0: drainTimeout
}

// drainTimeout is how long a running batch may take to end when its partition goes
// elsewhere or the program stops; then it is cut off and read again by the next
// owner. With commitTimeout and leaveTimeout it is less than the 25 s that stopping
// may take (shutdown-timeout).
const drainTimeout = 15 * time.Second

// Validate says what is wrong and what to write instead.
func (c *ConsumerConfig) Validate() error {
	if c.CommitInterval < 0 || c.CommitInterval > time.Hour {
		return fmt.Errorf("commit-interval %v: give 0s to 1h", c.CommitInterval)
	}
	if c.SessionTimeout < time.Second || c.SessionTimeout > 30*time.Minute {
		return fmt.Errorf("session-timeout %v: give 1s to 30m, such as 7s", c.SessionTimeout)
	}
	return nil
}

// A Worker owns one partition while it is assigned to this process. Its methods
// are called by one goroutine, one after another.
type Worker interface {
	// Process takes records in the order of their offsets and returns the offset
	// below which everything is durable, which is then committed; what it returns
	// may lag behind the records, and may be zero. What it cannot read it skips and
	// counts. It waits for a broken network until ctx ends. Its error stops Run.
	Process(ctx context.Context, records []*kgo.Record) (done int64, err error)
	// Close says that nothing more will come. It is called once. When the partition was
	// revoked or Run is stopped, the Worker may still write what the next owner needs,
	// until ctx ends.
	Close(ctx context.Context, reason Reason)
}

// A Preparer is a Worker that has work before its first batch. Until Prepare returns
// nothing is fetched for it, while the other partitions go on. Its error stops Run; ctx
// ends when the partition goes.
type Preparer interface {
	Prepare(ctx context.Context) error
}

// A Keeper is a Worker that writes down what it holds. Keep is called between two
// batches, and every keepEvery while there are none.
type Keeper interface {
	Keep(ctx context.Context)
}

const keepEvery = 200 * time.Millisecond

// Reason is why a Worker loses its partition.
type Reason string

// The reasons.
const (
	Revoked Reason = "revoked" // it moves to another member, after our last commit
	Lost    Reason = "lost"    // the group has given it away already: nothing can be committed
	Stopped Reason = "stopped" // Run ends, after our last commit
)

// Open makes the Worker of a partition, and says from where on it wants to read. Records
// below a.Committed have been processed before; they come again to rebuild what was known.
// It is called for several partitions at once.
type Open func(ctx context.Context, a Assignment) (w Worker, from From, err error)

// Consumer reads a topic as a member of a group and runs a Worker for each
// partition that it is assigned.
type Consumer struct {
	kafka   KafkaConfig
	cfg     ConsumerConfig
	open    Open
	log     *slog.Logger
	count   consumerCounters
	trouble Trouble                // of the fetches
	spare   atomic.Pointer[string] // why nothing is assigned, and nothing will be
	room    chan struct{}          // 1: a partition has taken its waiting batch, or has gone

	// handover is held while partitions are let go, so that a callback returns only
	// when they are, whoever began it.
	handover sync.Mutex

	mu      sync.Mutex
	cl      *kgo.Client // while Run runs
	cancel  context.CancelCauseFunc
	held    map[int32]*partition
	joined  bool
	closing bool
}

// The slowest partition sets the pace: no more is fetched than this many records
// at a time, while one batch is processed and one waits.
const maxPoll = 2000

// NewConsumer checks the settings.
func NewConsumer(kafka KafkaConfig, cfg ConsumerConfig, open Open, log *slog.Logger) (*Consumer, error) {
	if _, err := kafka.Options(); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Topic == "" || cfg.Group == "" {
		return nil, errors.New("BUG: a consumer needs a topic and a group")
	}
	cfg.DrainTimeout = cmp.Or(cfg.DrainTimeout, drainTimeout)
	c := &Consumer{kafka: kafka, cfg: cfg, open: open, log: log.With("topic", cfg.Topic, "group", cfg.Group)}
	c.room = make(chan struct{}, 1)
	c.held = map[int32]*partition{}
	return c, nil
}

// Run reads until ctx ends or a Worker fails, whose error it returns. Before it
// returns, running batches end, or are cut off after DrainTimeout; offsets are
// committed, or it says that they are not; the group is left. It may be called once.
func (c *Consumer) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	line, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	cl, err := c.dial(line, cancel)
	if err != nil {
		return err
	}
	c.poll(ctx, cl)

	c.mu.Lock()
	c.closing, c.joined = true, false
	c.mu.Unlock()
	uncommitted := c.letGo(cl, nil, Stopped)
	c.leave(cl, hangUp)
	c.mu.Lock()
	c.cl = nil
	c.mu.Unlock()
	var failed *workerError
	if errors.As(context.Cause(ctx), &failed) {
		return failed.error
	}
	if uncommitted != nil {
		return fmt.Errorf("commit what was processed last of %s, which is processed again: %w", c.cfg.Topic, uncommitted)
	}
	return nil
}

// dial makes the client, which lives as long as line, and whose callbacks wait at the lock
// until it is known here.
func (c *Consumer) dial(line context.Context, cancel context.CancelCauseFunc) (cl *kgo.Client, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cl, err = c.kafka.client(c.log, append(c.options(), kgo.WithContext(line))...); err == nil {
		c.cl, c.cancel = cl, cancel
	}
	return cl, err
}

// workerError tells a failed Worker from a context that was cancelled.
type workerError struct{ error }

func (c *Consumer) options() []kgo.Opt {
	return append(c.membership(),
		kgo.ConsumeTopics(c.cfg.Topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		// Without it a batch could be polled before its partition goes, and handed to the
		// Worker that the partition has when it comes back: a gap.
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchMaxBytes(16<<20), // of one broker at once; times two are held
		// A partition that was prepared is fetched behind the fetch that is under way.
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.AdjustFetchOffsetsFn(c.assign),
	)
}

// poll hands out what is fetched until ctx ends.
func (c *Consumer) poll(ctx context.Context, cl *kgo.Client) {
	for c.waitForRoom(ctx) {
		fetches := cl.PollRecords(ctx, maxPoll)
		if fetches.IsClientClosed() || ctx.Err() != nil {
			cl.AllowRebalance()
			return
		}
		records := 0
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			if f.Err == nil && len(f.Records) > 0 {
				records += len(f.Records)
				c.handOut(&f)
			}
		})
		// From here on the partitions may go: what was handed out is theirs.
		cl.AllowRebalance()
		if failed := c.fetchErrors(fetches); failed && records == 0 {
			pause(ctx, 250*time.Millisecond)
		}
	}
}

// waitForRoom waits until no partition has a batch waiting. It is waited for
// outside of a poll, where it would hold up a rebalance.
func (c *Consumer) waitForRoom(ctx context.Context) bool {
	for !c.hasRoom() {
		select {
		case <-ctx.Done():
		case <-c.room:
			continue
		}
		break
	}
	return ctx.Err() == nil
}

func (c *Consumer) hasRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.held {
		if len(p.in) > 0 {
			return false
		}
	}
	return true
}

func (c *Consumer) signalRoom() {
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// handOut gives a batch to its partition. There is room: see waitForRoom.
func (c *Consumer) handOut(f *kgo.FetchTopicPartition) {
	c.mu.Lock()
	p := c.held[f.Partition]
	c.mu.Unlock()
	if p == nil {
		return // cut short by the end of Run: never processed, so never committed
	}
	p.high.Store(f.HighWatermark)
	select {
	case p.in <- f.Records:
	case <-p.ctx.Done(): // its Worker has failed and takes no more
	}
}

// fetchErrors counts and logs what could not be fetched; the client tries again.
func (c *Consumer) fetchErrors(fetches kgo.Fetches) (any bool) {
	fetches.EachError(func(_ string, partition int32, err error) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return
		}
		any = true
		c.count.fetchErrors.Add(1)
		if errors.Is(err, kerr.InvalidSessionTimeout) {
			err = fmt.Errorf("%w: set consumer-session-timeout, now %v, between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms", err, c.cfg.SessionTimeout)
		}
		if refused(err) {
			err = advised(err)
		}
		c.trouble.note(err)
		c.log.Warn("fetch from Kafka", "partition", partition, "error", err)
	})
	if !any && fetches.NumRecords() > 0 {
		c.trouble.note(nil)
	}
	return any
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
