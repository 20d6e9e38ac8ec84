package story

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// given is a number of each side as "=" gives it: packets=3, bytes=2100/40000, flags=?.
type given struct {
	ask, back uint64
	both      bool // the second was given, too
	unknown   bool
}

// parseGiven reads what stands behind "=".
func parseGiven(name, value string) (n given, err error) {
	if value == "?" {
		return given{unknown: true}, nil
	}
	ask, back, both := strings.Cut(value, "/")
	n.both = both
	n.ask, err = strconv.ParseUint(ask, 10, 40)
	if err == nil && both {
		n.back, err = strconv.ParseUint(back, 10, 40)
	}
	if err != nil {
		return n, fmt.Errorf("%s: give a number, two of them (what was asked/what came back), or ? for what is not told", name)
	}
	return n, nil
}

// assign reads a word "name=value".
func (l *line) assign(name, value string) (err error) {
	switch name {
	case "packets", "bytes":
		return l.count(name, value)
	case "flags", "ports":
		if value != "?" {
			return fmt.Errorf("%s: only ? can be given, for what is not told", name)
		}
		l.untold |= untoldBits[name]
	case "event":
		if l.event.firewall, err = named(firewallEvents, value); err != nil {
			return fmt.Errorf("event: %w", err)
		}
	case "nat":
		if l.event.nat, err = named(natEvents, value); err != nil {
			return fmt.Errorf("nat: %w", err)
		}
	case "reason":
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("reason: give a number such as 1001")
		}
		l.event.reason = uint16(n)
	default:
		return fmt.Errorf("%q: give packets=, bytes=, flags=, ports=, event=, nat= or reason=", name)
	}
	return nil
}

func (l *line) count(name, value string) error {
	n, err := parseGiven(name, value)
	switch {
	case err != nil:
		return err
	case n.unknown:
		l.untold |= untoldBits[name]
	case name == "bytes":
		l.ask.bytes = n.ask
		if n.both {
			l.back.bytes = n.back
		}
	default:
		l.ask = l.ask.times(n.ask)
		if n.both {
			l.back = l.back.times(n.back)
		}
	}
	return nil
}

// times is the same with so many packets of the same size.
func (s sent) times(packets uint64) sent {
	s.bytes = s.bytes / max(s.packets, 1) * packets
	s.packets = packets
	return s
}

var untoldBits = map[string]schema.Untold{
	"packets": schema.UntoldPackets, "bytes": schema.UntoldBytes, "flags": schema.UntoldFlags, "ports": schema.UntoldPort,
}

// event is what a firewall or a NAT did, where a record says so.
type event struct {
	firewall, nat uint8
	reason        uint16
}

type eventName struct {
	name   string
	number uint8
}

var (
	firewallEvents = []eventName{{"created", 1}, {"deleted", 2}, {"denied", 3}, {"alert", 4}, {"update", 5}}                       // IPFIX element 233
	natEvents      = []eventName{{"created", 1}, {"deleted", 2}, {"exhausted", 3}, {"session-created", 4}, {"session-deleted", 5}} // element 230, RFC 8158
)

func named(events []eventName, name string) (uint8, error) {
	var names []string
	for _, e := range events {
		if e.name == name {
			return e.number, nil
		}
		names = append(names, e.name)
	}
	return 0, fmt.Errorf("%q: give %s", name, strings.Join(names, ", "))
}

// hide takes from a record what its exporter does not tell of either side.
func (l *line) hide(f *schema.Flow) {
	for _, s := range []*schema.Side{&f.Src, &f.Dst} {
		s.Untold |= l.untold
		if l.untold&schema.UntoldPackets != 0 {
			s.Packets = 0
		}
		if l.untold&schema.UntoldBytes != 0 {
			s.Bytes = 0
		}
		if l.untold&schema.UntoldFlags != 0 {
			s.TCPFlags = 0
		}
		if l.untold&schema.UntoldPort != 0 {
			s.Port = 0
		}
	}
}
