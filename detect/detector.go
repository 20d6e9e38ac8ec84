package detect

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Detector holds the state of the sources of one partition. Use New.
//
// Its parts may touch what stands above them, and nothing below: so the receiver
// of a method says what it can change.
type Detector struct {
	moment             // event time
	policy             // what counts as a scan, what is ours, what is excepted
	network network    // what is known beyond one source
	ledger  ledger     // the sources, and what each has touched
	judge   judge      // the rules, asked of a source
	docket  docket     // open alerts, and what is to be said of them
	rounds  rounds     // what is done now and then
	ahead   prefetcher // where the flows at hand will look
	stats   Stats
}

// tick is how often, in event time, open scans and expiry are looked after.
const tick = 10 * time.Second

// New returns a Detector without any state.
func New(cfg Config) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Memory == 0 {
		cfg.Memory = usualMemory
	}
	d := &Detector{moment: newMoment(&cfg), policy: policy{cfg: cfg}}
	d.thresholds = newThresholds(&d.cfg, d.units)
	d.network = network{moment: &d.moment, policy: &d.policy, sendsFlags: map[netip.Addr]bool{}, views: map[viewKey]*view{}, scalings: map[netip.Addr]scaling{}}
	d.ledger = ledger{moment: &d.moment, policy: &d.policy, network: &d.network, stats: &d.stats, scratch: newScratch()}
	d.judge = judge{moment: &d.moment, policy: &d.policy, network: &d.network, ledger: &d.ledger}
	d.docket = docket{moment: &d.moment, policy: &d.policy, network: &d.network, ledger: &d.ledger, judge: &d.judge}
	return d, nil
}

// Observe counts flows that were oriented and lie at offset of the partition,
// and returns what there is to tell. The alerts may be kept; the slice is valid
// until the next call.
func (d *Detector) Observe(flows []schema.Flow, offset int64) []schema.Alert {
	d.docket.alerts = d.docket.alerts[:0]
	for at := -lead; at < len(flows); at += group {
		d.prefetch(flows, at+lead)
		for i := max(at, 0); i < min(at+group, len(flows)); i++ {
			d.flow(&flows[i], d.ahead.lookup(i), offset)
		}
	}
	return d.docket.alerts
}

// Finish closes every open alert with the reason. The slice is valid until the next call.
func (d *Detector) Finish(reason string) []schema.Alert {
	d.docket.alerts = d.docket.alerts[:0]
	for len(d.docket.open) > 0 {
		d.docket.close(d.docket.open[0].scan, reason)
	}
	for len(d.docket.reopened) > 0 {
		d.docket.closeAgain(d.docket.reopened[0], reason)
	}
	return d.docket.alerts
}

// Now is event time: no flow of the past window before it is forgotten.
func (d *Detector) Now() time.Time { return d.clock.now.Std() }

func (d *Detector) flow(f *schema.Flow, at *lookup, offset int64) {
	d.stats.Consumed++
	t, a := d.clock.admit(f)
	if a != admitted {
		d.stats.refused(a)
		return
	}
	if d.clock.now >= d.rounds.nextTick {
		d.tick()
	}
	d.setTime()
	if f.Hints&schema.HintCopy != 0 {
		d.stats.Copies++
		d.connectBack(f, t, offset)
		return
	}
	if g := guardFlow(f); g != guardNone {
		d.stats.Silenced[g]++
		return
	}
	o := outcomeOf(f, d.network.knowsFlags(f))
	if d.network.learnView(f, o) {
		if less := d.network.unproven(f, o); less != o {
			d.stats.Silenced[guardOneWay]++
			o = less
		}
	}
	d.count(f, at, t, o, offset)
}

// tick does what is due at the clock's time.
func (d *Detector) tick() {
	now := d.clock.now
	if d.rounds.lastTick != 0 {
		d.docket.due(now)
		d.setTime()
		d.ledger.sweep(now - d.rounds.lastTick)
		if d.rounds.ticks++; d.rounds.ticks%weighEvery == 0 {
			d.ledger.weigh()
			d.ledger.forgetNets()
		}
		d.network.responders.forget(d.rounds.lastTick, now, d.cfg.Window)
	}
	// At round times: who reads the flows again from another beginning ticks alike.
	d.rounds.lastTick, d.rounds.nextTick = now, nextTick(now)
}

func nextTick(after schema.Time) schema.Time {
	return (after/schema.Time(tick) + 1) * schema.Time(tick)
}

// rounds is when things are looked after that no flow asks for.
type rounds struct {
	ticks    uint
	nextTick schema.Time
	lastTick schema.Time
}
