package detect

import (
	"bytes"
	"cmp"

	"github.com/scanhound/scanhound/detect/internal/wire"
)

// The bytes of evidence (in the words of slice.go):
//
//	evidence  flows packets bytes scaled:u  first last:s  offsets:s,s
//	          outcomes:u*9 (8 in version 1) orientations:u*5 flags:1*8,u*9 pace:u*6
//	          (port:2 count:u)*4 ported:u (2) list(exporter:addr) sampling:u

// outcomes1 is how many of them version 1 has.
const outcomes1 = 8

func (e *evidence) wire(w *wire.Wire) {
	for _, v := range []*uint64{&e.flows, &e.packets, &e.bytes, &e.scaled} {
		wire.Num(w, v)
	}
	w.Check(e.flows > 0, "evidence of no flow")
	wire.Signed(w, &e.first)
	wire.Signed(w, &e.last)
	wire.Signed(w, &e.firstOffset)
	wire.Signed(w, &e.lastOffset)
	for i := range e.outcomes {
		if i < outcomes1 || w.Has(2) {
			wire.Num(w, &e.outcomes[i])
		}
	}
	for i := range e.oriented {
		wire.Num(w, &e.oriented[i])
	}
	for i := range e.flags.flags {
		w.U8(&e.flags.flags[i])
	}
	for i := range e.flags.flows {
		wire.Num(w, &e.flags.flows[i])
	}
	wire.Num(w, &e.pace.minute)
	for i := range e.pace.flows {
		wire.Num(w, &e.pace.flows[i])
	}
	wire.Num(w, &e.pace.peak)
	for i := range e.ports.top {
		w.U16(&e.ports.top[i].port)
		wire.Num(w, &e.ports.top[i].count)
	}
	if w.Has(2) {
		wire.Num(w, &e.ports.flows)
	} else {
		e.ports.flows = e.flows
	}
	wire.List(w, &e.exporters, 1, maxExporters, w.Addr)
	wire.Num(w, &e.sampling)
}

// compare orders what is known of a track by how far it goes, and then in any way
// that does not depend on which is asked.
func (e *evidence) compare(o *evidence) int {
	further := cmp.Or(cmp.Compare(e.lastOffset, o.lastOffset), cmp.Compare(e.last, o.last), cmp.Compare(e.flows, o.flows))
	if further != 0 || e.flows == 0 {
		return further
	}
	var a, b wire.Wire
	e.wire(&a)
	o.wire(&b)
	return bytes.Compare(a.Bytes(), b.Bytes())
}
