package explain

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/scanhound/scanhound/detect"
)

// Subject is what an explanation is asked of: a source, or an alert by its id.
type Subject struct {
	Source netip.Addr
	Net    bool   // all of the /64 that Source is in
	Alert  string // the first hex digits of its id, at least as many as texts print; then the rest is empty
}

// alertID is the id of an alert or its beginning, with a revision as lines of text show it.
var alertID = regexp.MustCompile(`^([0-9a-f]{12,32})(\.[0-9]+)?$`)

// UnmarshalText takes an address, an IPv6 /64 or the id of an alert.
func (q *Subject) UnmarshalText(text []byte) error {
	s := string(text)
	if id := alertID.FindStringSubmatch(s); id != nil {
		*q = Subject{Alert: id[1]}
		return nil
	}
	if p, err := netip.ParsePrefix(s); err == nil && p.Addr().Is6() && p.Bits() == 64 {
		*q = Subject{Source: p.Masked().Addr(), Net: true}
		return nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return fmt.Errorf("want an address such as 192.0.2.1, a network such as 2001:db8::/64, or the id of an alert, of which 12 hex digits do")
	}
	*q = Subject{Source: a}
	return nil
}

// String is what UnmarshalText takes.
func (q Subject) String() string {
	switch {
	case q.Alert != "":
		return q.Alert
	case q.Net:
		return netip.PrefixFrom(q.Source, 64).String()
	}
	return q.Source.String()
}

// Is reports whether it is the alert with that id that is asked about.
func (q Subject) Is(id string) bool { return q.Alert != "" && strings.HasPrefix(id, q.Alert) }

// Has reports whether a flow from a is one of the source's.
func (q Subject) Has(a netip.Addr) bool {
	if q.Net {
		return netip.PrefixFrom(q.Source, 64).Contains(a)
	}
	return q.Alert == "" && a == q.Source
}

// Ask returns what state holds of the source.
func (q Subject) Ask(state *detect.Detector) (detect.Explanation, bool) {
	if q.Net {
		return state.ExplainNet(q.Source)
	}
	return state.Explain(q.Source)
}
