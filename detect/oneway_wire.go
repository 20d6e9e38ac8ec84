package detect

import (
	"cmp"
	"maps"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// The bytes of what exporters show (in the words of slice.go), since version 2:
//
//	view  exporter:addr flags:1 (0 IPv6, 1 who asks is ours) since:u by:u halves:u answers:u

// viewState is a view outside of its table.
type viewState struct {
	viewKey
	view
}

// viewStates are in an order of their own, so that equal states have equal bytes.
func (n *network) viewStates() []viewState {
	keys := slices.SortedFunc(maps.Keys(n.views), func(a, b viewKey) int {
		return cmp.Or(a.exporter.Compare(b.exporter), compareBool(a.six, b.six), compareBool(a.ours, b.ours))
	})
	states := make([]viewState, 0, len(keys))
	for _, k := range keys {
		states = append(states, viewState{k, *n.views[k]})
	}
	return states
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func (v *viewState) wire(w *wire.Wire) {
	w.Addr(&v.exporter)
	w.Check(v.exporter.IsValid(), "a view of no exporter")
	w.Bits(&v.six, &v.ours)
	wire.Num(w, &v.since)
	wire.Num(w, &v.by)
	wire.Num(w, &v.halves)
	wire.Num(w, &v.answers)
}

// mergeViews joins what another state knows.
func (n *network) mergeViews(states []viewState) {
	for _, v := range states {
		mine, known := n.views[v.viewKey]
		switch {
		case known:
			mine.merge(v.view)
		case len(n.views) < maxExportersKnown:
			n.views[v.viewKey] = &v.view
		}
	}
}

// merge joins two views: an answer that one has seen and the other has not empties both.
func (v *view) merge(o view) {
	switch {
	case v.answers > o.answers || v.answers == o.answers && o.since == 0:
	case v.answers < o.answers || v.since == 0:
		*v = o
	default:
		v.since, v.by, v.halves = min(v.since, o.since), v.by|o.by, max(v.halves, o.halves)
	}
}
