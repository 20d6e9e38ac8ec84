package detect

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Detector holds the state of the sources of one partition. Use New.
type Detector struct {
	cfg   Config
	rules rules
	clock clock
	units units

	// What the clock says, in the units of the state.
	second        uint32 // Unix time
	now           stamp
	panes         paneWindow
	windowSeconds uint32
	retold        uint32

	table     table
	slab      slab
	records   records
	door      doorkeeper
	targets   targets
	goods     goods
	answering answering
	nets      nets
	sketched  uint64 // bytes of sketches and footprints, nearly: see weigh

	suspects     []*suspect
	freeSuspects []uint32
	open         []openScan          // in the order in which they opened
	reopened     []*past             // told of after their close, in the order of that
	opened       uint64              // scans so far, and closed ones told of again
	flags        map[netip.Addr]bool // exporters that have sent TCP flags
	flagged      netip.Addr          // the last of them

	ticks    uint
	nextTick schema.Time
	lastTick schema.Time

	exceptions []Exception
	hidden     []uint64 // flows, by exception

	scratch scratch

	alerts []schema.Alert
	stats  Stats

	lookups [group]lookup // of the flows at hand, see warm
	warmed  uint64
}

// tick is how often, in event time, open scans and expiry are looked after.
const tick = 10 * time.Second

// maxExportersKnown bounds what is learned of exporters; a spoofed flood of
// them only costs the ability to see a NULL scan.
const maxExportersKnown = 4096

// New returns a Detector without any state.
func New(cfg Config) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Detector{
		cfg:   cfg,
		clock: clock{window: cfg.Window, skew: cfg.MaxSkew},
		units: newUnits(cfg.Window),
		flags: map[netip.Addr]bool{},

		scratch: newScratch(),
	}
	d.rules = newRules(&d.cfg, d.units)
	d.windowSeconds = uint32(cfg.Window / time.Second)
	d.retold = d.units.count(retoldAfter * time.Second)
	d.panes.window = uint16(d.units.window>>paneShift) + 1
	return d, nil
}

// Observe counts flows that were oriented and lie at offset of the partition,
// and returns what there is to tell. The alerts may be kept; the slice is valid
// until the next call.
func (d *Detector) Observe(flows []schema.Flow, offset int64) []schema.Alert {
	d.alerts = d.alerts[:0]
	for len(flows) > 0 {
		n := min(group, len(flows))
		d.warm(flows[:n])
		for i := range flows[:n] {
			d.flow(&flows[i], &d.lookups[i], offset)
		}
		flows = flows[n:]
	}
	return d.alerts
}

// Finish closes every open alert with the reason. The slice is valid until the next call.
func (d *Detector) Finish(reason string) []schema.Alert {
	d.alerts = d.alerts[:0]
	for len(d.open) > 0 {
		d.close(d.open[0].scan, reason)
	}
	for len(d.reopened) > 0 {
		d.closePast(d.reopened[0], reason)
	}
	return d.alerts
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
	if d.clock.now >= d.nextTick {
		d.tick()
	}
	d.setTime()
	if f.Hints&schema.HintCopy != 0 {
		d.stats.Copies++
		d.calledBy(f, t, offset)
		return
	}
	if g := silence(f); g != guardNone {
		d.stats.Silenced[g]++
		return
	}
	d.count(f, at, t, outcomeOf(f, d.knowsFlags(f)), offset)
}

func (d *Detector) setTime() {
	if s := uint32(d.clock.now.Seconds()); s != d.second {
		d.second = s
		d.now = d.units.stamp(d.clock.now)
		d.panes.now = paneOf(d.now)
	}
}

// knowsFlags reports whether f's exporter has sent TCP flags, and learns it.
func (d *Detector) knowsFlags(f *schema.Flow) bool {
	if f.Proto != schema.TCP {
		return false
	}
	if f.Exporter.Addr == d.flagged || d.flags[f.Exporter.Addr] {
		d.flagged = f.Exporter.Addr
		return true
	}
	if f.Src.TCPFlags|f.Dst.TCPFlags == 0 || len(d.flags) >= maxExportersKnown {
		return false
	}
	d.flags[f.Exporter.Addr] = true
	d.flagged = f.Exporter.Addr
	return true
}

// tick does what is due at the clock's time.
func (d *Detector) tick() {
	now := d.clock.now
	if d.lastTick != 0 {
		d.due(now)
		d.setTime()
		d.sweep(now - d.lastTick)
		if d.ticks++; d.ticks%weighEvery == 0 {
			d.weigh()
			d.forgetNets()
		}
		d.answering.forget(d.lastTick, now, d.cfg.Window)
	}
	// At round times: who reads the flows again from another beginning ticks alike.
	d.lastTick, d.nextTick = now, nextTick(now)
}

func nextTick(after schema.Time) schema.Time {
	return (after/schema.Time(tick) + 1) * schema.Time(tick)
}

// weighEvery is how many ticks lie between two sums over all sketches. New ones
// are added as they come; that they grow and go is found out then.
const weighEvery = 60

// weigh adds up what the sketches and footprints take.
func (d *Detector) weigh() {
	d.sketched = 0
	for _, s := range d.suspects {
		if s != nil {
			d.sketched += s.sketched()
		}
	}
}
