package detect

import (
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// Exception is what an operator knows of traffic that looks like a scan: the
// company's own vulnerability scanner, a monitor. Whatever is given must match;
// what is left out matches everything. Flows that match count as touched, never
// as failed, until the exception ends.
type Exception struct {
	Sources   []netip.Prefix
	Targets   []netip.Prefix
	Ports     []uint16
	Exporters []netip.Prefix
	Owner     string // who answers for it
	Reason    string
	Until     schema.Time // in event time; 0: for ever
}

func (e *Exception) covers(f *schema.Flow, t schema.Time) bool {
	return (e.Until == 0 || t < e.Until) &&
		anyOrIn(e.Sources, f.Src.Addr) && anyOrIn(e.Targets, f.Dst.Addr) && anyOrIn(e.Exporters, f.Exporter.Addr) &&
		(len(e.Ports) == 0 || schema.HasPorts(f.Proto) && slices.Contains(e.Ports, f.Dst.Port))
}

// Names reports whether the exception lists source among its sources.
func (e *Exception) Names(source netip.Addr) bool {
	return len(e.Sources) > 0 && anyOrIn(e.Sources, source)
}

func anyOrIn(list []netip.Prefix, a netip.Addr) bool {
	if len(list) == 0 {
		return true
	}
	for _, p := range list {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}
