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
	table table
	open  []*scan             // in the order in which they opened
	flags map[netip.Addr]bool // exporters that have sent TCP flags

	nextTick schema.Time
	lastTick schema.Time

	alerts []schema.Alert
	stats  Stats
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
		table: newTable(cfg.MaxSources),
		flags: map[netip.Addr]bool{},
	}
	d.rules = newRules(&d.cfg)
	return d, nil
}

// Observe counts flows that were oriented and lie at offset of the partition,
// and returns what there is to tell. The alerts may be kept; the slice is valid
// until the next call.
func (d *Detector) Observe(flows []schema.Flow, offset int64) []schema.Alert {
	d.alerts = d.alerts[:0]
	for i := range flows {
		d.observe(&flows[i], offset)
	}
	return d.alerts
}

// Finish closes every open alert with the reason. The slice is valid until the next call.
func (d *Detector) Finish(reason string) []schema.Alert {
	d.alerts = d.alerts[:0]
	for len(d.open) > 0 {
		d.close(d.open[0], reason)
	}
	return d.alerts
}

// Now is event time: no flow of the past window before it is forgotten.
func (d *Detector) Now() time.Time { return d.clock.now.Std() }

func (d *Detector) observe(f *schema.Flow, offset int64) {
	d.stats.Consumed++
	t, a := d.clock.admit(f)
	if a != admitted {
		d.stats.refused(a)
		return
	}
	if d.clock.now >= d.nextTick {
		d.tick()
	}
	if g := silence(f); g != guardNone {
		d.stats.Silenced[g]++
		return
	}
	o := outcomeOf(f, d.knowsFlags(f))
	if f.Orientation == schema.OrientService && o.isProbe() {
		o = touched // a guess by port number never accuses
	}
	s, isNew := d.table.get(f.Src.Addr)
	if s == nil {
		d.stats.Skipped++
		return
	}
	if isNew {
		s.internal = d.isInternal(s.addr)
	}
	d.stats.Counted++
	d.count(s, f, t, o, offset)
}

// count adds the flow to its source's track and judges what is new.
func (d *Detector) count(s *source, f *schema.Flow, t schema.Time, o outcome, offset int64) {
	c := contact{addr: f.Dst.Addr.As16(), stamp: stampOf(t), port: f.Dst.Port, proto: f.Proto, bits: o}
	kind := kindOf(f.Proto)
	if kind != trackPorts {
		c.port = 0
	}
	s.seen = max(s.seen, c.stamp.seconds())
	tr := s.track(kind)
	w := d.clock.at()
	n := tr.observe(c, &w)
	if o.isProbe() || o&touched != 0 || n.probed {
		tr.evidence.add(f, t, o, offset)
	}
	if tr.since == 0 && n.fresh {
		tr.since = t
	}
	d.touch(tr, &n.c, t, session(f, &n, tr))
	if n.fresh && len(tr.failed.list) >= d.rules.smallest && !tr.covered(&n.c) {
		for _, fam := range families[kind] {
			if x, ok := d.rules.judge(tr, fam, n.c, s.internal); ok {
				d.cross(s, tr, x, t)
				break
			}
		}
	}
}

// covered: an open scan already tells of c.
func (t *track) covered(c *contact) bool {
	for _, sc := range t.scans {
		if sc.scope.has(c) {
			return true
		}
	}
	return false
}

// session returns where a scanner got in: a session over TCP or SCTP in which
// it sent data to a target that it had probed.
func session(f *schema.Flow, n *note, t *track) *schema.Endpoint {
	if len(t.scans) == 0 || n.c.bits&answered == 0 || f.Proto == schema.UDP {
		return nil
	}
	if f.Src.TCPFlags&schema.PSH == 0 && f.Src.Packets <= 6 {
		return nil // a connect scan's own handshake and teardown
	}
	if !n.probed && !t.probedHost(&n.c) {
		return nil
	}
	return &schema.Endpoint{Addr: n.c.target(), Port: n.c.port, Proto: schema.ProtoName(n.c.proto)}
}

func (t *track) probedHost(c *contact) bool {
	for i := range t.failed.list {
		if t.failed.list[i].addr == c.addr {
			return true
		}
	}
	return false
}

// knowsFlags reports whether f's exporter has sent TCP flags, and learns it.
func (d *Detector) knowsFlags(f *schema.Flow) bool {
	if f.Proto != schema.TCP {
		return false
	}
	if d.flags[f.Exporter.Addr] {
		return true
	}
	if f.Src.TCPFlags|f.Dst.TCPFlags == 0 || len(d.flags) >= maxExportersKnown {
		return false
	}
	d.flags[f.Exporter.Addr] = true
	return true
}

// tick does what is due at the clock's time.
func (d *Detector) tick() {
	now := d.clock.now
	if d.lastTick != 0 {
		d.due(now)
		d.table.sweep(now.Sub(d.lastTick), d.cfg.Window, stampOf(now.Add(-d.cfg.Window)).seconds())
	}
	d.lastTick, d.nextTick = now, now.Add(tick)
}
