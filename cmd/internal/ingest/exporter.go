package ingest

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// ExporterConfig says who may send, and what is done about those whose clock is wrong.
type ExporterConfig struct {
	Allow        []netip.Prefix    `help:"Networks of the exporters that may send; the datagrams of others are counted and left out. Empty: everybody."`
	Names        map[string]string `placeholder:"ADDRESS=NAME" help:"Names of exporters, for metrics and pages; those without one are counted together as unnamed."`
	Rate         int               `default:"0" help:"Datagrams that one exporter may send in a second; those beyond are counted and left out. 0: as many as it likes."`
	Max          int               `default:"10000" help:"Exporters that each worker keeps account of; those beyond are counted together."`
	Ahead        time.Duration     `default:"5m" help:"How far a flow may lie ahead of its arrival before its exporter's clock is wrong."`
	Behind       time.Duration     `default:"24h" help:"How far a flow may lie behind its arrival before its exporter's clock is wrong."`
	CorrectClock bool              `help:"Move the flows of a wrong clock to their arrival. Else they are counted here and left to the detector, which leaves out what lies ahead or before its window."`
}

// DefaultExporterConfig is what the tags above say, for callers that have no command line.
func DefaultExporterConfig() ExporterConfig {
	return ExporterConfig{Max: 10_000, Ahead: 5 * time.Minute, Behind: 24 * time.Hour}
}

// Validate says what is wrong and what to write instead.
func (c *ExporterConfig) Validate() error {
	for a, name := range c.Names {
		if _, err := netip.ParseAddr(a); err != nil {
			return fmt.Errorf("names %s=%s: want an address before the =, such as 192.0.2.1=edge-1", a, name)
		}
	}
	switch {
	case c.Rate < 0:
		return fmt.Errorf("rate %d: give a number of datagrams a second, or 0 for no limit", c.Rate)
	case c.Max < 1:
		return fmt.Errorf("max %d: give 1 or more", c.Max)
	case c.Ahead <= 0 || c.Behind <= 0:
		return fmt.Errorf("ahead %v, behind %v: give positive durations", c.Ahead, c.Behind)
	}
	return nil
}

// unnamed is what exporters without a name are counted under together.
const unnamed = "unnamed"

// Exporter is the account of one exporter.
type Exporter struct {
	Addr      netip.Addr // invalid for those beyond the maximum, counted together
	Name      string
	Last      schema.Time // arrival of its last datagram
	Datagrams uint64      // that arrived
	Limited   uint64      // of these, beyond its rate, left out
	Flows     uint64
	Lost      uint64        // flows or datagrams that its sequence numbers say are missing
	Resets    uint64        // times that its sequence began anew
	Skew      time.Duration // arrival minus export, of its last datagram that says when it was sent
	Wrong     uint64        // flows whose time cannot be
	Corrected uint64        // of these, moved to their arrival

	tokens float64
	filled schema.Time

	sequences map[sequenceKey]*netflow.Sequence
}

// sequenceKey is what has a sequence of its own: an exporter's line card, say.
type sequenceKey struct {
	port    uint16     // where exporters are told apart by it
	agent   netip.Addr // of sFlow: several may share an address
	version uint16
	domain  uint32
}

// maxSequences bounds the domains of one exporter that are followed; a chassis
// has a few dozen.
const maxSequences = 256

// follow accounts for what the header of a datagram says.
func (e *Exporter) follow(h netflow.Header, received schema.Time, port uint16) {
	if h.Version == 0 {
		return
	}
	if h.Export != 0 {
		e.Skew = received.Sub(h.Export)
	}
	if !e.Addr.IsValid() {
		return // one of those beyond the maximum: their numbers do not go together
	}
	k := sequenceKey{port, h.Agent, h.Version, h.Domain}
	s := e.sequences[k]
	if s == nil {
		if len(e.sequences) >= maxSequences {
			return
		}
		if e.sequences == nil {
			e.sequences = map[sequenceKey]*netflow.Sequence{}
		}
		s = new(netflow.Sequence)
		e.sequences[k] = s
	}
	lost, found, reset := s.Advance(h)
	e.Lost += lost - found
	if reset {
		e.Resets++
	}
}

// allow is a token bucket of one second: it says whether one more datagram may come now.
func (e *Exporter) allow(now schema.Time, rate int) bool {
	if rate == 0 {
		return true
	}
	if e.filled == 0 {
		e.tokens = float64(rate)
	}
	e.tokens = min(float64(rate), e.tokens+now.Sub(e.filled).Seconds()*float64(rate))
	e.filled = now
	if e.tokens < 1 {
		e.Limited++
		return false
	}
	e.tokens--
	return true
}

// check counts, and if told so corrects, the flows whose time cannot be.
func (e *Exporter) check(flows []schema.Flow, c *ExporterConfig) {
	for i := range flows {
		f := &flows[i]
		t := f.EventTime()
		if t <= f.Received.Add(c.Ahead) && t >= f.Received.Add(-c.Behind) {
			continue
		}
		e.Wrong++
		if c.CorrectClock {
			length := max(f.End-f.Start, 0)
			if f.Start == 0 || f.End == 0 || length > schema.Time(c.Behind) {
				length = 0
			}
			f.Start, f.End = f.Received-length, f.Received
			e.Corrected++
		}
	}
}

// exporters are the accounts of one worker.
type exporters struct {
	cfg     *ExporterConfig
	by      map[netip.Addr]*Exporter
	others  Exporter // those beyond the maximum
	refused uint64   // datagrams of those who may not send
	limited uint64   // datagrams beyond a rate
	named   map[netip.Addr]string
}

func newExporters(cfg *ExporterConfig) *exporters {
	x := &exporters{cfg: cfg, by: map[netip.Addr]*Exporter{}, named: map[netip.Addr]string{}}
	for text, name := range cfg.Names {
		if a, err := netip.ParseAddr(text); err == nil { // Validate has refused the others
			x.named[a.Unmap()] = name
		}
	}
	return x
}

// of returns the account of a, or nil if it may not send.
func (x *exporters) of(a netip.Addr) *Exporter {
	if e := x.by[a]; e != nil {
		return e
	}
	if !x.allowed(a) {
		x.refused++
		return nil
	}
	if len(x.by) >= x.cfg.Max {
		return &x.others
	}
	e := &Exporter{Addr: a, Name: x.named[a]}
	x.by[a] = e
	return e
}

func (x *exporters) allowed(a netip.Addr) bool {
	if len(x.cfg.Allow) == 0 {
		return true
	}
	for _, p := range x.cfg.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
