package place

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v3"
)

// network is one entry of the networks file:
//
//   - prefix: 10.1.0.0/16
//     site: berlin
//     internal: true
type network struct {
	Prefix   string `yaml:"prefix"`
	Site     string `yaml:"site"`
	Internal *bool  `yaml:"internal"`
}

// networks answers which entry is the most specific for an address.
type networks struct {
	bits     []int // of the prefixes, longest first
	by       map[netip.Prefix]network
	internal []netip.Prefix
}

func readNetworks(text []byte) (*networks, error) {
	var list []network
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&list); err != nil && len(bytes.TrimSpace(text)) > 0 {
		return nil, fmt.Errorf("%w: want a list of prefix, site and internal", err)
	}
	n := &networks{by: map[netip.Prefix]network{}}
	for i, e := range list {
		p, err := netip.ParsePrefix(e.Prefix)
		if err != nil {
			return nil, fmt.Errorf("entry %d: prefix %q: want a network such as 10.1.0.0/16", i+1, e.Prefix)
		}
		p = p.Masked()
		if _, twice := n.by[p]; twice {
			return nil, fmt.Errorf("entry %d: %s is listed twice", i+1, p)
		}
		n.by[p] = e
		if !slices.Contains(n.bits, p.Bits()) {
			n.bits = append(n.bits, p.Bits())
		}
		if e.Internal == nil || *e.Internal {
			n.internal = append(n.internal, p)
		}
	}
	slices.SortFunc(n.bits, func(a, b int) int { return cmp.Compare(b, a) })
	return n, nil
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
