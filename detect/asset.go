package detect

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// Asset is hosts or networks that matter to an operator. A scan that touches one is told with its
// name, and is more severe.
type Asset struct {
	Name        string
	Prefixes    []netip.Prefix
	Owner       string
	Role        string
	Criticality schema.Severity
	Scanners    []netip.Prefix // may scan it, and are silent there: see Expected
}

// maxAssets is how many a scan remembers to have touched, maxAssetsShown how many an alert names.
const (
	maxAssets      = 256
	maxAssetsShown = 16

	// MaxAssetName is the longest name, in bytes.
	MaxAssetName = 64
)

// Expected returns the exception of an asset's own scanners, false if it has none.
func (a *Asset) Expected() (Exception, bool) {
	return Exception{
		Sources: a.Scanners, Targets: a.Prefixes, Owner: a.Owner, Reason: "expected scanner of " + a.Name,
	}, len(a.Scanners) > 0
}

// steps is how much more severe a scan is that touches an asset of a criticality.
func steps(criticality schema.Severity) int {
	switch criticality {
	case schema.Critical:
		return 2
	case schema.High, schema.Medium:
		return 1
	}
	return 0
}

// assets finds the asset of an address. The zero value has none.
type assets struct {
	list []Asset
	bits []int // of the prefixes, longest first
	of   map[netip.Prefix]int
	by   map[string]int
}

func newAssets(list []Asset) *assets {
	a := &assets{list: list, of: map[netip.Prefix]int{}, by: map[string]int{}}
	for i := range list {
		a.by[list[i].Name] = i
		for _, p := range list[i].Prefixes {
			a.of[p.Masked()] = i
			if !slices.Contains(a.bits, p.Bits()) {
				a.bits = append(a.bits, p.Bits())
			}
		}
	}
	slices.SortFunc(a.bits, func(x, y int) int { return cmp.Compare(y, x) })
	return a
}

// find returns the asset of the most specific prefix that holds an address, nil if there is none.
func (a *assets) find(addr netip.Addr) *Asset {
	addr = addr.Unmap()
	for _, bits := range a.bits {
		if p, err := addr.Prefix(bits); err == nil {
			if i, ok := a.of[p]; ok {
				return &a.list[i]
			}
		}
	}
	return nil
}

// SetAssets replaces the assets. What open scans have touched stays with them by its name.
func (d *Detector) SetAssets(list []Asset) { d.policy.assets = newAssets(list) }

// touches notes that a scan touched a target, and returns the asset if that is new.
func (d *docket) touches(sc *scan, target netip.Addr) *Asset {
	if d.assets == nil || len(d.assets.list) == 0 || !target.IsValid() || len(sc.assets) >= maxAssets {
		return nil
	}
	a := d.assets.find(target)
	if a == nil {
		return nil
	}
	at, known := slices.BinarySearch(sc.assets, a.Name)
	if known {
		return nil
	}
	sc.assets = slices.Insert(sc.assets, at, a.Name)
	return a
}

// worsens notes the same of a flow to an open scan, and returns the asset if it makes the scan more
// severe: that is told at once.
func (d *docket) worsens(sc *scan, target netip.Addr) *Asset {
	a := d.touches(sc, target)
	if a == nil {
		return nil
	}
	for _, name := range sc.assets {
		if i, ok := d.assets.by[name]; ok && name != a.Name && steps(d.assets.list[i].Criticality) >= steps(a.Criticality) {
			return nil
		}
	}
	if steps(a.Criticality) == 0 {
		return nil
	}
	return a
}

// assetSteps is how much more severe a scan is for what it has touched.
func (d *docket) assetSteps(sc *scan) (most int) {
	if d.assets == nil {
		return 0
	}
	for _, name := range sc.assets {
		if i, ok := d.assets.by[name]; ok {
			most = max(most, steps(d.assets.list[i].Criticality))
		}
	}
	return most
}

// touched is what an alert says of the assets. One that is listed no more has its name only.
func (d *docket) touched(sc *scan, m *measured) schema.Touched {
	for _, c := range m.contacts {
		d.touches(sc, sc.suspect.target(c))
	}
	if len(sc.assets) == 0 {
		return schema.Touched{}
	}
	all := make([]schema.Asset, len(sc.assets))
	for i, name := range sc.assets {
		all[i] = schema.Asset{Name: name, Criticality: schema.Low}
		if d.assets == nil {
			continue
		}
		if at, ok := d.assets.by[name]; ok {
			a := &d.assets.list[at]
			all[i] = schema.Asset{Name: name, Owner: a.Owner, Role: a.Role, Criticality: a.Criticality}
		}
	}
	slices.SortFunc(all, func(a, b schema.Asset) int {
		return cmp.Or(b.Criticality.Compare(a.Criticality), cmp.Compare(a.Name, b.Name))
	})
	return schema.Touched{Assets: slices.Clip(all[:min(len(all), maxAssetsShown)]), AssetsCount: uint32(len(all))}
}
