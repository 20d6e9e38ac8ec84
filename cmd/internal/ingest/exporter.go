package ingest

import (
	"fmt"
	"math"
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
	Ahead        time.Duration     `default:"5m" help:"How far a flow may lie ahead of its arrival before its exporter's clock is wrong."`
	Behind       time.Duration     `default:"24h" help:"How far a flow may lie behind its arrival before its exporter's clock is wrong."`
	CorrectClock bool              `help:"Move the flows of a wrong clock to their arrival. Else they are counted here and left to the detector, which leaves out what lies ahead or before its window."`

	Max int `kong:"-"` // exporters that each worker keeps account of; 0: maxExporters
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
	Templates TemplateAccount

	tokens float64
	filled schema.Time

	sequences map[sequenceKey]*sequence
}

// sequenceKey is what has a sequence of its own: an exporter's line card, say.
type sequenceKey struct {
	port    uint16     // from which it announces templates
	agent   netip.Addr // of sFlow: several may share an address
	version uint16
	domain  uint32
}

// sequence is one that is followed.
type sequence struct {
	netflow.Sequence
	heard schema.Time
}

// maxSequences bounds the domains of one exporter that are followed; a chassis
// has a few dozen.
const maxSequences = 256

// follow accounts for what the header of a datagram says.
func (e *Exporter) follow(h netflow.Header, received schema.Time) {
	if h.Version == 0 {
		return
	}
	if h.Export != 0 {
		e.Skew = received.Sub(h.Export)
	}
	if !e.Addr.IsValid() {
		return // one of those beyond the maximum: their numbers do not go together
	}
	k := sequenceKey{h.Port, h.Agent, h.Version, h.Domain}
	s := e.sequences[k]
	if s == nil {
		if len(e.sequences) >= maxSequences {
			e.forget()
		}
		if e.sequences == nil {
			e.sequences = map[sequenceKey]*sequence{}
		}
		s = new(sequence)
		e.sequences[k] = s
	}
	s.heard = received
	lost, found, reset := s.Advance(h)
	e.Lost += lost - found
	if reset {
		e.Resets++
	}
}

// forget gives up the sequence that was heard of longest ago: exporters that start again from another port
// leave one behind.
func (e *Exporter) forget() {
	var oldest sequenceKey
	at := schema.Time(math.MaxInt64)
	for k, s := range e.sequences {
		if s.heard < at {
			oldest, at = k, s.heard
		}
	}
	delete(e.sequences, oldest)
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
