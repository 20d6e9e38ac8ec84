package place

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/cmd/internal/yamlfile"
)

// network is one entry of the networks file:
//
//   - prefix: 10.1.0.0/16
//     site: berlin
//     internal: true
type network struct {
	Prefix   netip.Prefix
	Site     string
	Internal *bool
}

// networks answers which entry is the most specific for an address.
type networks struct {
	bits     []int // of the prefixes, longest first
	by       map[netip.Prefix]network
	internal []netip.Prefix
}

func readNetworks(text []byte) (*networks, error) {
	var e network
	values := settings.ValuesOf(&e)
	n := &networks{by: map[netip.Prefix]network{}}
	lines := map[netip.Prefix]int{}
	file := yamlfile.Parse(text)
	for entry := range file.Entries("a list of entries, each with prefix, site and internal") {
		e = network{}
		if !entry.Fill(values) {
			continue
		}
		e.Prefix = e.Prefix.Masked()
		first, twice := lines[e.Prefix]
		switch {
		case !e.Prefix.IsValid():
			entry.Wrong("prefix is missing: give a network such as 10.1.0.0/16")
		case twice:
			entry.Wrong("%s is listed twice: it stands in line %d already", e.Prefix, first)
		default:
			lines[e.Prefix] = entry.Line
			n.add(e)
		}
	}
	if err := file.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(n.bits, func(a, b int) int { return cmp.Compare(b, a) })
	return n, nil
}

func (n *networks) add(e network) {
	n.by[e.Prefix] = e
	if !slices.Contains(n.bits, e.Prefix.Bits()) {
		n.bits = append(n.bits, e.Prefix.Bits())
	}
	if e.Internal == nil || *e.Internal {
		n.internal = append(n.internal, e.Prefix)
	}
}

func (n *networks) find(a netip.Addr) network {
	a = a.Unmap()
	for _, bits := range n.bits {
		if p, err := a.Prefix(bits); err == nil {
			if e, ok := n.by[p]; ok {
				return e
			}
		}
	}
	return network{}
}
