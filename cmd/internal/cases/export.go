package cases

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Columns are what a row of CSV has.
var Columns = []string{
	"id", "revision", "state", "kind", "severity", "confidence", "source", "internal", "country", "as", "site", "first_seen", "last_seen",
	"hosts", "ports", "targets", "flows", "packets", "bytes", "top_ports", "got_in", "reason",
}

// Row is an alert as CSV; times are RFC 3339, counts without their error.
func Row(a *schema.Alert) []string {
	var top, got []string
	for _, p := range a.TopPorts {
		top = append(top, fmt.Sprintf("%s/%d", p.Proto, p.Port))
	}
	for _, e := range a.Answered {
		got = append(got, fmt.Sprintf("%s %s/%d", e.Addr, e.Proto, e.Port))
	}
	source := a.Source.String()
	if a.Prefix != 0 {
		source = netip.PrefixFrom(a.Source, int(a.Prefix)).String()
	}
	as := ""
	if a.AS != 0 {
		as = strconv.FormatUint(uint64(a.AS), 10)
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return []string{
		a.ID, number(uint64(a.Revision)), string(a.State), string(a.Kind), string(a.Severity), a.Confidence, source, strconv.FormatBool(a.Internal),
		a.Country, as, safe(a.Site), a.FirstSeen.UTC().Format(time.RFC3339), a.LastSeen.UTC().Format(time.RFC3339),
		number(a.Hosts.Count), number(a.Ports.Count), number(a.Pairs.Count), number(a.Flows), number(a.Packets), number(a.Bytes),
		strings.Join(top, " "), strings.Join(got, "; "), a.Reason,
	}
}

// safe keeps a spreadsheet from taking a name for a formula.
func safe(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Filter is what nfdump(1) finds an alert's flows with: those from its source, to its ports where they are few.
func Filter(a *schema.Alert) string {
	source := "ip " + a.Source.String()
	if a.Prefix != 0 {
		source = "net " + netip.PrefixFrom(a.Source, int(a.Prefix)).Masked().String()
	}
	if a.Ports.Count != uint64(len(a.TopPorts)) || len(a.TopPorts) == 0 {
		return "src " + source
	}
	var ports []string
	for _, p := range a.TopPorts {
		proto := strings.ToLower(p.Proto)
		if proto != "tcp" && proto != "udp" && proto != "sctp" {
			return "src " + source
		}
		ports = append(ports, fmt.Sprintf("(proto %s and dst port %d)", proto, p.Port))
	}
	if len(ports) == 1 {
		return fmt.Sprintf("src %s and %s", source, strings.Trim(ports[0], "()"))
	}
	return fmt.Sprintf("src %s and (%s)", source, strings.Join(ports, " or "))
}
