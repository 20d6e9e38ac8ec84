package schema

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/encoding/json"
)

// Alert is one revision of what is known of one scan. An alert is opened once,
// updated while it grows, and closed; all its revisions share the ID, and the highest
// says everything. A closed one goes on when its scanner comes back, with the totals of
// all that it did, or when its scanner got in: then with the totals of the close, fewer
// targets, ports and networks, and no footprint, flags or sketch. Its wire form is JSON.
type Alert struct {
	// wide: its JSON is flat, so that a SIEM needs no paths.
	Envelope
	ID       string   `json:"id"`       // hash of tenant, source, rule and pane of the first contact
	Revision uint32   `json:"revision"` // 1 for the opening, then 2, 3, ...
	State    State    `json:"state"`
	Reason   string   `json:"reason"` // why this revision was written
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"` // never falls while the alert lives
	MITRE    []string `json:"mitre"`    // ATT&CK technique ids

	Source    netip.Addr `json:"source"`
	Prefix    uint8      `json:"source_prefix,omitempty"`       // 64 where the source is all of an IPv6 /64
	Internal  bool       `json:"internal"`                      // the source lies in a configured internal prefix
	Country   string     `json:"country,omitempty"`             // of the source, ISO 3166-1; ?? where a database does not know it
	AS        uint32     `json:"as,omitempty"`                  // autonomous system of the source
	ASName    string     `json:"as_name,omitempty"`             // whose it is, as the database says
	ToCountry string     `json:"destination_country,omitempty"` // of the sampled targets, where it is one
	Site      string     `json:"site,omitempty"`                // of the source, or of the targets' network
	Tenant    string     `json:"tenant,omitempty"`              // as the detector's setting says
	FirstSeen time.Time  `json:"first_seen"`
	LastSeen  time.Time  `json:"last_seen"`

	Verdict
	Scale
	Evidence
	Touched
	Origin Origin `json:"origin"`
}

// Verdict is the rule that fired and how far it went.
type Verdict struct {
	Rule        string   `json:"rule"`      // such as "horizontal"
	Window      Duration `json:"window"`    // the horizon over which the rule counted
	Threshold   uint32   `json:"threshold"` // distinct failed targets that it takes
	Confidence  string   `json:"confidence"`
	Orientation string   `json:"orientation"` // which rule said who started it
}

// Scale is how much was touched over the whole life of the alert.
type Scale struct {
	Hosts Count `json:"hosts"`
	Ports Count `json:"ports"`
	Pairs Count `json:"pairs"` // distinct (address, port, protocol)

	InWindow InWindow `json:"in_window"`
	Flows    uint64   `json:"flows"`
	Packets  uint64   `json:"packets"`        // as exported, not scaled by sampling
	Scaled   uint64   `json:"packets_scaled"` // each flow's packets times its sampling rate
	Bytes    uint64   `json:"bytes"`          // as exported
}

// InWindow is what of the scale lies within the detector's window before last_seen.
type InWindow struct {
	Hosts Count `json:"hosts"`
	Ports Count `json:"ports"`
	Pairs Count `json:"pairs"`
}

// Evidence is what an analyst looks at next.
type Evidence struct {
	Targets         []netip.Addr      `json:"targets"`             // a sample: the first 5, 10 of the rest, the last 5
	TopPorts        []PortCount       `json:"top_ports"`           // most hosts first, at most 10
	Footprint       []Footprint       `json:"footprint,omitempty"` // since the alert opened
	Coverage        Coverage          `json:"coverage"`
	HostsSketch     []byte            `json:"hosts_sketch,omitempty"`     // at the first close, where hosts are estimated: see MergeHosts
	SourcePorts     []uint16          `json:"source_ports"`               // those that a third or more of the flows share
	Outcomes        map[string]uint64 `json:"outcomes"`                   // flows by what they say
	Flags           map[string]uint64 `json:"flags,omitempty"`            // TCP flows by the initiator's flags: see FlagNames; OtherFlags
	Peak            uint32            `json:"peak_flows_minute"`          // most flows that began within one minute of event time
	Exporters       []netip.Addr      `json:"exporters"`                  // who reported it
	Sampling        uint32            `json:"sampling,omitempty"`         // the coarsest rate, where any sampled
	TargetsEstimate uint64            `json:"targets_estimate,omitempty"` // where sampled: how many pairs there were, by those that were seen
	Answered        []Endpoint        `json:"answered,omitempty"`         // probed first, then held a session with
}

// OtherFlags counts in Evidence.Flags what comes after the first 8 combinations.
const OtherFlags = "other"

// Coverage is where the targets lie. Internal and External add up to the hosts,
// but for IPv6, where not all addresses are remembered.
type Coverage struct {
	Internal  uint64         `json:"internal"` // hosts within the configured internal prefixes
	External  uint64         `json:"external"`
	Networks  uint64         `json:"networks"`            // distinct IPv4 /24s or IPv6 /64s
	Estimated bool           `json:"estimated,omitempty"` // all of these numbers are estimates from a sample
	Top       []NetworkCount `json:"top"`                 // most hosts first, at most 10
}

// NetworkCount is one /24 or /64 and how many hosts of it were touched.
type NetworkCount struct {
	Prefix netip.Prefix `json:"prefix"`
	Hosts  uint64       `json:"hosts"`
}

// PortCount is one port and on how many hosts it was tried: an estimate where
// the pairs of the alert are one.
type PortCount struct {
	Port  uint16 `json:"port"`
	Proto string `json:"proto"`
	Hosts uint64 `json:"hosts"`
}

// Endpoint is one address, port and protocol.
type Endpoint struct {
	Addr  netip.Addr `json:"addr"`
	Port  uint16     `json:"port"`
	Proto string     `json:"proto"`
	Back  bool       `json:"back,omitempty"` // Addr opened it: Port is the source's, not Addr's
}

// Origin says where the raw flows can be read again: all of the source's but those
// of its first five targets, which may lie before.
type Origin struct {
	Topic       string `json:"topic,omitempty"`
	Partition   int32  `json:"partition"`
	FirstOffset int64  `json:"first_offset"`
	LastOffset  int64  `json:"last_offset"`
}

// Count is a number of distinct things with its error.
type Count struct {
	Count  uint64  `json:"count"`
	Exact  bool    `json:"exact"`
	Stderr float64 `json:"stderr"` // standard error in the unit of Count; 0 when exact
}

// String returns the count as a person writes it: 12, or ~12007±97.
func (c Count) String() string {
	if c.Exact {
		return fmt.Sprintf("%d", c.Count)
	}
	return fmt.Sprintf("~%d±%.0f", c.Count, c.Stderr)
}

// State is where an alert is in its life.
type State string

// The states. Open comes once; after Close there may be an Update and another Close,
// if the scanner came back or got in.
const (
	Open   State = "open"
	Update State = "update"
	Close  State = "close"
)

// Kind is the shape of a scan.
type Kind string

// The shapes.
const (
	Vertical   Kind = "vertical"   // many ports of one host
	Horizontal Kind = "horizontal" // one port, or few, on many hosts
	Block      Kind = "block"      // many by many
	Mixed      Kind = "mixed"      // crossed a threshold, has none of these shapes
	Sweep      Kind = "sweep"      // ICMP to many hosts
	Protocols  Kind = "protocols"  // many IP protocols of one host
)

// Severity is how soon a person should look.
type Severity string

// The severities, least first.
const (
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// rank is 1 for the least severity, 0 for none.
func (s Severity) rank() int { return slices.Index(severities, s) + 1 }

var severities = []Severity{Low, Medium, High, Critical}

// OrMore returns the greater of two severities.
func (s Severity) OrMore(t Severity) Severity {
	if t.rank() > s.rank() {
		return t
	}
	return s
}

// Duration is a time.Duration whose JSON is the shortest usual form: "5m", "48h".
type Duration time.Duration

// String returns d without zero parts: 5m, not 5m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes what String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// AppendAlert appends the wire form of a to b.
func AppendAlert(b []byte, a *Alert) ([]byte, error) {
	b, err := json.Append(b, a, json.SortMapKeys)
	if err != nil {
		return b, fmt.Errorf("encode alert %s: %w", a.ID, err)
	}
	return b, nil
}

// ParseAlert reads one alert; fields that it does not know are skipped.
func ParseAlert(b []byte) (*Alert, error) {
	a := new(Alert)
	if err := json.Unmarshal(b, a); err != nil {
		return nil, fmt.Errorf("decode alert: %w", err)
	}
	if a.ID == "" || a.Revision == 0 {
		return nil, fmt.Errorf("decode alert: id or revision is missing")
	}
	return a, nil
}

// MessageID is the name of one revision, see [AlertHeader.MessageID].
func (a *Alert) MessageID() string {
	h := a.Header()
	return h.MessageID()
}
