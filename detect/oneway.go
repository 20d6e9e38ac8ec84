package detect

import (
	"math/bits"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// Some exporters show one direction: a router that counts what enters by the inner
// interface alone. There silence proves nothing. What an exporter shows is learned for each
// family of addresses, and for questions of ours and of others, since our servers' answers may be
// seen where those to our clients are not.

// viewKey is whose view of whose questions.
type viewKey struct {
	exporter netip.Addr
	six      bool
	ours     bool // who asks is
}

// view is what was seen since the last answer.
type view struct {
	since   uint32 // second of the first question that nothing answered; 0: none yet
	by      uint32 // who asked, a bit for each by hash
	halves  uint16 // of sessions, whose other half there must have been
	answers uint64 // how many there were that emptied it: of two states more is later
}

const (
	blindSources = 5    // bits
	blindHalves  = 32   // in a row: of both directions of a session one has to come first
	blindSeconds = 3600 // of flows
)

// learnView notes what f shows, and reports whether its exporter shows no answers. What
// nobody names, such as a file, is not told apart. A network that is dark for good, where no
// ratio of failures is asked for, has nothing to answer.
func (n *network) learnView(f *schema.Flow, o outcome) (blind bool) {
	if !f.Exporter.Addr.IsValid() || n.cfg.FailureRatio == 0 {
		return false
	}
	key := viewKey{f.Exporter.Addr, !f.Src.Addr.Unmap().Is4(), n.isInternal(f.Src.Addr)}
	v := n.view
	if v == nil || key != n.viewed {
		v = n.views[key]
		n.viewed, n.view = key, v
	}
	switch {
	case sent(&f.Dst):
		if v != nil && v.since != 0 {
			*v = view{answers: v.answers + 1}
		}
		return false
	case v == nil && len(n.views) >= maxExportersKnown:
		return false
	case v == nil:
		v = &view{}
		n.views[key], n.view = v, v
	}
	if v.since == 0 {
		v.since = n.second
	}
	v.by |= 1 << (uint64(short(f.Src.Addr)) * 0x9e3779b97f4a7c15 >> 59)
	if f.Proto == schema.TCP && o&answered != 0 {
		v.halves = min(v.halves, 1<<15) + 1
	}
	return bits.OnesCount32(v.by) >= blindSources && (v.halves >= blindHalves || n.second-v.since >= blindSeconds)
}

// unproven is what is left of an outcome that depends on silence where nothing would have
// shown an answer: faint evidence, and none on the ports on which clients ask many.
func (n *network) unproven(f *schema.Flow, o outcome) outcome {
	switch {
	case denied(f), o&flagless == 0 && (o != failed || f.Proto == schema.TCP):
		return o
	}
	for _, busy := range n.cfg.BusyPorts {
		if f.Dst.Port == busy && schema.HasPorts(f.Proto) {
			return touched
		}
	}
	return weak
}
