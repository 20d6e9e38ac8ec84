package detect_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// exact is all rules over plain maps: every touch of every target is kept, nothing
// is forgotten, sampled or estimated. It shares with the package how a single flow
// is read (ReadFlow) and nothing of its state.
type exact struct {
	cfg     detect.Config
	unit    schema.Time // what times are cut to: 1 for not at all
	now     schema.Time
	flagged map[netip.Addr]bool // exporters that have sent TCP flags
	sources map[netip.Addr]*exactSource
	seen    int            // flows
	left    map[string]int // flows that do not count, by why
}

type exactSource struct {
	addr    netip.Addr
	targets map[exactTarget]*exactContact
	keys    map[exactKey][]*exactContact
	hosts   map[netip.Addr]bool // of targets with ports
	ports   map[exactPort]bool
	crossed map[exactKey]exactCrossing // the first of each key
	near    exactCrossing              // the evaluation that came nearest to its threshold
}

type exactTarget struct {
	addr  netip.Addr
	port  uint16
	proto uint8
}

type exactContact struct {
	exactTarget
	touched                 []schema.Time // in order
	strong, faint, answered bool
	born                    int // the flow that touched it first
	died                    int // the flow that was a session with it, if answered
}

func (c *exactContact) failing() bool { return (c.strong || c.faint) && !c.answered }

// within reports whether the contact was touched in the half-open window (from, to];
// one that fails counts from its first touch.
func (c *exactContact) within(from, to schema.Time) bool {
	if c.failing() {
		return c.touched[0] > from && c.touched[0] <= to
	}
	i, _ := slices.BinarySearch(c.touched, from+1)
	return i < len(c.touched) && c.touched[i] <= to
}

// exactKey is what a rule counts; what the rule does not look at is zero.
type exactKey struct {
	rule  schema.Kind
	addr  netip.Addr
	port  uint16
	proto uint8
}

// exactCrossing is one evaluation of a key at one horizon.
type exactCrossing struct {
	exactKey
	horizon       int
	n, want, good int
	flow          int // at which it was
}

func (c *exactCrossing) share() float64 { return float64(c.n) / max(float64(c.want), 1) }

// nearer orders evaluations by how near they came, then so that nothing is left to chance.
func (c *exactCrossing) nearer(o *exactCrossing) bool {
	return cmp.Or(cmp.Compare(c.share(), o.share()), cmp.Compare(c.n, o.n), cmp.Compare(o.good, c.good),
		cmp.Compare(o.horizon, c.horizon), cmp.Compare(o.rule, c.rule)) > 0
}

// String says how near: "horizontal: 10 of 100 hosts in 5m, 15 answered".
func (c *exactCrossing) String() string {
	if c.rule == "" {
		return "nothing failed"
	}
	what := map[schema.Kind]string{schema.Vertical: "ports", schema.Horizontal: "hosts", schema.Block: "pairs", schema.Sweep: "hosts", schema.Protocols: "protocols"}
	text := fmt.Sprintf("%s: %d of %d %s in %s", c.rule, c.n, c.want, what[c.rule], []string{"5m", "1h", "24h", "48h"}[c.horizon])
	if c.good > 0 {
		text += fmt.Sprintf(", %d answered", c.good)
	}
	return text
}

func newExact(cfg detect.Config, unit time.Duration) *exact {
	return &exact{cfg: cfg, unit: schema.Time(unit), flagged: map[netip.Addr]bool{}, sources: map[netip.Addr]*exactSource{}, left: map[string]int{}}
}

// observe counts an oriented flow.
func (m *exact) observe(f *schema.Flow) {
	at := f.EventTime()
	i := m.seen
	m.seen++
	if at <= 0 || at > f.Received.Add(m.cfg.MaxSkew) || at < m.now.Add(-m.cfg.Window) {
		m.left["clock"]++
		return
	}
	m.now = max(m.now, at)
	tcp := f.Proto == schema.TCP
	sent := tcp && f.Src.TCPFlags|f.Dst.TCPFlags != 0
	r := detect.ReadFlow(f, tcp && (sent || m.flagged[f.Exporter.Addr]))
	if r.Guard != "" {
		m.left[r.Guard]++
		return
	}
	if sent {
		m.flagged[f.Exporter.Addr] = true
	}
	s := m.sources[f.Src.Addr]
	if s == nil {
		s = newExactSource(f.Src.Addr)
		m.sources[f.Src.Addr] = s
	}
	at = at / m.unit * m.unit
	c := s.touch(exactTargetOf(f), at, i)
	c.strong, c.faint = c.strong || r.Strong, c.faint || r.Faint
	if r.Answered && !c.answered {
		c.answered, c.died = true, i
	}
	if !c.failing() {
		return
	}
	for _, k := range c.keys() {
		if _, done := s.crossed[k]; !done {
			m.judge(s, k, c, at, i)
		}
	}
}

func newExactSource(addr netip.Addr) *exactSource {
	return &exactSource{
		addr: addr, targets: map[exactTarget]*exactContact{}, keys: map[exactKey][]*exactContact{},
		hosts: map[netip.Addr]bool{}, ports: map[exactPort]bool{}, crossed: map[exactKey]exactCrossing{},
	}
}

func exactTargetOf(f *schema.Flow) exactTarget {
	t := exactTarget{f.Dst.Addr.Unmap(), f.Dst.Port, f.Proto}
	if !schema.HasPorts(f.Proto) {
		t.port = 0
	}
	if f.Proto == schema.UDPLite {
		t.proto = schema.UDP
	}
	return t
}

// touch notes that the flow i touched t.
func (s *exactSource) touch(t exactTarget, at schema.Time, i int) *exactContact {
	c := s.targets[t]
	if c == nil {
		c = &exactContact{exactTarget: t, born: i}
		s.targets[t] = c
		for _, k := range t.keys() {
			s.keys[k] = append(s.keys[k], c)
		}
		if schema.HasPorts(t.proto) {
			s.hosts[t.addr], s.ports[exactPort{t.port, t.proto}] = true, true
		}
	}
	place, _ := slices.BinarySearch(c.touched, at)
	c.touched = slices.Insert(c.touched, place, at)
	return c
}

// keys are what the rules count t under.
func (t exactTarget) keys() []exactKey {
	switch {
	case schema.HasPorts(t.proto):
		return []exactKey{
			{rule: schema.Vertical, addr: t.addr, proto: t.proto},
			{rule: schema.Horizontal, port: t.port, proto: t.proto},
			{rule: schema.Block},
		}
	case t.proto == schema.ICMP || t.proto == schema.ICMPv6:
		return []exactKey{{rule: schema.Sweep, proto: t.proto}}
	}
	return []exactKey{{rule: schema.Protocols, addr: t.addr}}
}

// threshold is the table of the rules, for a source that is not internal.
func (m *exact) threshold(k exactKey, proto uint8, horizon int) int {
	t := map[schema.Kind][]uint32{
		schema.Vertical: m.cfg.Vertical, schema.Horizontal: m.cfg.HorizontalExternal, schema.Block: m.cfg.Block,
		schema.Sweep: m.cfg.Sweep, schema.Protocols: m.cfg.Protocols,
	}[k.rule][horizon]
	if k.rule == schema.Horizontal && slices.Contains(m.cfg.BusyPorts, k.port) {
		t *= m.cfg.BusyFactor
	}
	if proto == schema.UDP {
		t *= m.cfg.UDPFactor
	}
	return int(t)
}

// judge looks at every window of each horizon in which the flow i lies, a touch
// of c at the instant at, and which ends with a touch.
func (m *exact) judge(s *exactSource, k exactKey, c *exactContact, at schema.Time, i int) {
	if k.rule == schema.Block && (len(s.hosts) < 5 || len(s.ports) < 5) {
		return
	}
	contacts := s.keys[k]
	for h, span := range []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour, m.cfg.Window} {
		want := m.threshold(k, c.proto, h)
		for end := range ends(contacts, at, span) {
			x := exactCrossing{exactKey: k, horizon: h, want: want, flow: i}
			if m.crosses(&x, contacts, end.Add(-span), end) {
				s.crossed[k] = x
				return
			}
			if x.nearer(&s.near) {
				s.near = x
			}
		}
	}
}

// ends are the touches from at on that a window with at in it can end with.
func ends(contacts []*exactContact, at schema.Time, span time.Duration) map[schema.Time]bool {
	all := map[schema.Time]bool{}
	for _, c := range contacts {
		first, _ := slices.BinarySearch(c.touched, at)
		for _, t := range c.touched[first:] {
			if t < at.Add(span) {
				all[t] = true
			}
		}
	}
	return all
}

// crosses counts what failed and what was good in (from, to].
func (m *exact) crosses(x *exactCrossing, contacts []*exactContact, from, to schema.Time) bool {
	var strong, all int
	var failed []*exactContact
	for _, c := range contacts {
		switch {
		case !c.within(from, to):
		case c.answered:
			x.good++
		case c.failing():
			failed = append(failed, c)
			all++
			if c.strong {
				strong++
			}
		}
	}
	if x.rule == schema.Block && !isExactBlock(failed) {
		return false
	}
	x.n = strong
	if strong < x.want {
		many := 500
		if x.rule == schema.Vertical {
			many = 100
		}
		if many = max(many, x.want); float64(all)/float64(many) > x.share() {
			x.n, x.want = all, many
		}
	}
	return x.n >= x.want && (x.rule == schema.Sweep || x.ratio() >= m.cfg.FailureRatio)
}

func (c *exactCrossing) ratio() float64 { return float64(c.n) / max(float64(c.n+c.good), 1) }

// exactShape is what distinct contacts add up to.
type exactShape struct {
	pairs, hosts, ports int
	onHost, onPort      int // the most pairs of one host, of one port
}

type exactPort struct {
	port  uint16
	proto uint8
}

func shapeOf(contacts []*exactContact) exactShape {
	s := exactShape{pairs: len(contacts)}
	hosts, ports := map[netip.Addr]int{}, map[exactPort]int{}
	for _, c := range contacts {
		hosts[c.addr]++
		ports[exactPort{c.port, c.proto}]++
		s.onHost, s.onPort = max(s.onHost, hosts[c.addr]), max(s.onPort, ports[exactPort{c.port, c.proto}])
	}
	s.hosts, s.ports = len(hosts), len(ports)
	return s
}

func isExactBlock(contacts []*exactContact) bool {
	s := shapeOf(contacts)
	return s.isBlock()
}

func (s *exactShape) isBlock() bool {
	return s.hosts >= 5 && s.ports >= 5 && s.pairs >= 3*s.hosts && s.pairs >= 3*s.ports
}

// class is the name of the shape, by the class rules and the decision about them in DESIGN.md.
func (s *exactShape) class() schema.Kind {
	switch {
	case s.hosts <= 2 || 10*s.onHost >= 6*s.pairs:
		return schema.Vertical
	case s.ports <= 2 || 10*s.onPort >= 6*s.pairs:
		return schema.Horizontal
	case s.hosts < 10 && s.ports >= 50*s.hosts:
		return schema.Vertical
	case s.ports < 10 && s.hosts >= 50*s.ports:
		return schema.Horizontal
	case s.isBlock():
		return schema.Block
	case s.ports <= 20 && s.hosts >= 5*s.ports:
		return schema.Horizontal
	}
	return schema.Mixed
}

// first is the crossing of a source that came first; false if there is none.
func (m *exact) first(source netip.Addr) (first exactCrossing, is bool) {
	s := m.sources[source]
	if s == nil {
		return first, false
	}
	for _, x := range s.crossed {
		if !is || x.flow < first.flow || x.flow == first.flow && x.rule < first.rule {
			first, is = x, true
		}
	}
	return first, is
}

// reported are the contacts that an alert of the rule, closed before the flow i, was
// about: all that was touched of the keys that crossed until then.
func (s *exactSource) reported(rule schema.Kind, i int, from, to schema.Time) (all []*exactContact) {
	for _, c := range s.targets {
		if c.born >= i || !c.within(from, to) {
			continue
		}
		for k, x := range s.crossed {
			if x.flow < i && k.covers(c, i) && (k.rule == schema.Sweep || k.rule == schema.Protocols) == (rule == schema.Sweep || rule == schema.Protocols) {
				all = append(all, c)
				break
			}
		}
	}
	return all
}

// covers reports whether c belongs to the key: for a host or a port whatever
// became of the contact, for a block what did not answer before the flow i.
func (k exactKey) covers(c *exactContact, i int) bool {
	switch k.rule {
	case schema.Vertical:
		return schema.HasPorts(c.proto) && c.addr == k.addr
	case schema.Horizontal:
		return c.proto == k.proto && c.port == k.port
	case schema.Block:
		return schema.HasPorts(c.proto) && !(c.answered && c.died < i)
	}
	return slices.Contains(c.keys(), k)
}
