package siem

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// Message says an alert in one sentence: what a person reads first.
//
//	Horizontal scan by 198.51.100.7 of 25 hosts, 1 port (tcp/22): 25 failed targets within 5m
func Message(a *schema.Alert) string {
	s := fmt.Sprintf("%s by %s of %s", Name(a.Kind), Source(a), Extent(a))
	if len(a.Answered) > 0 && !strings.HasPrefix(a.Reason, "got in") {
		s += ", which got in"
	}
	if a.Reason != "" {
		s += ": " + a.Reason
	}
	if a.AssetsCount > 0 {
		s += "; touches " + AssetNames(a)
	}
	return s
}

// AssetNames are the assets that a scan touched, at most three by name.
func AssetNames(a *schema.Alert) string {
	var names []string
	for _, asset := range first(a.Assets, 3) {
		names = append(names, asset.Name)
	}
	s := strings.Join(names, ", ")
	if more := int(a.AssetsCount) - len(names); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// Name is a kind in words.
func Name(k schema.Kind) string {
	switch k {
	case schema.Sweep:
		return "ICMP sweep"
	case schema.Protocols:
		return "IP protocol scan"
	}
	return title(string(k)) + " scan"
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Source is the address, or the network where the scan is all of it.
func Source(a *schema.Alert) string {
	if a.Prefix != 0 {
		return netip.PrefixFrom(a.Source, int(a.Prefix)).String()
	}
	return a.Source.String()
}

// Extent is how many hosts and ports, with their names where they are few.
func Extent(a *schema.Alert) string {
	hosts := plural(a.Hosts, "host")
	if a.Hosts.Count == 1 && len(a.Targets) == 1 {
		hosts = a.Targets[0].String()
	}
	switch {
	case a.Kind == schema.Protocols:
		return fmt.Sprintf("%s, %s", hosts, plural(a.Pairs, "IP protocol"))
	case len(a.TopPorts) == 0:
		return hosts
	}
	ports := plural(a.Ports, "port")
	if a.Ports.Count <= 3 && len(a.TopPorts) <= 3 {
		ports += " (" + strings.Join(portNames(a.TopPorts), ", ") + ")"
	}
	return hosts + ", " + ports
}

func portNames(ports []schema.PortCount) (names []string) {
	for _, p := range ports {
		names = append(names, fmt.Sprintf("%s/%d", strings.ToLower(p.Proto), p.Port))
	}
	return names
}

func plural(c schema.Count, what string) string {
	if c.Count != 1 {
		what += "s"
	}
	return c.String() + " " + what
}

func addresses(all []netip.Addr) []string {
	s := make([]string, len(all))
	for i, a := range all {
		s[i] = a.String()
	}
	return s
}

// endpoints are written as 192.0.2.1:22/tcp.
func endpoints(all []schema.Endpoint) []string {
	s := make([]string, len(all))
	for i, e := range all {
		s[i] = fmt.Sprintf("%s/%s", netip.AddrPortFrom(e.Addr, e.Port), strings.ToLower(e.Proto))
	}
	return s
}
