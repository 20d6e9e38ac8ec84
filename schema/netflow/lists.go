package netflow

import (
	"encoding/binary"
	"iter"

	"github.com/scanhound/scanhound/schema"
)

// Lists of records within a record (RFC 6313, section 4.5):
//
//	subTemplateList       semantic 1, template id 2, records
//	subTemplateMultiList  semantic 1, then for each template: id 2, length 2 with these four, records
//
// Where a record has no addresses of its own, what its lists hold are the flows, and what stands beside the
// lists is said of each of them. Where it has, the lists tell more of one flow (yaf) and are skipped, as
// is a basicList. Lists within lists are not read.
//
// A set of which no list can be read, since its template has not come, waits for that as for its own.

// lists reads a set of records that have their flows in lists.
func (d *Decoder) lists(flows []schema.Flow, t *template, v *view, b []byte, lacking int) []schema.Flow {
	n := &d.stats.Records
	for len(b) >= t.size {
		ops, size := d.next(t, b)
		if size > len(b) {
			break
		}
		outer := d.outer(t, v, d.padded(b, size), ops)
		before, unknown := len(flows), false
		for id, part := range parts(ops, b) {
			if in := d.template(v, id); in == nil {
				unknown = true
			} else if !in.options {
				flows = d.within(flows, t, v, &outer, in, part)
			}
		}
		switch got := uint32(len(flows) - before); {
		case got > 0:
			n.Seen, n.Flows, d.listed = n.Seen+uint64(got), n.Flows+uint64(got), d.listed+got-1
		case unknown:
			n.Seen, n.NoTemplate = n.Seen+1, n.NoTemplate+1
		default:
			n.Seen, n.NoAddress = n.Seen+1, n.NoAddress+1
		}
		b = b[size:]
	}
	d.rest(t, b, lacking)
	return flows
}

// outer returns what a record says beside its lists.
func (d *Decoder) outer(t *template, v *view, record []byte, ops []op) schema.Flow {
	d.begin(t, v)
	f := [1]schema.Flow{d.base}
	d.late = late{}
	d.fill(f[:], record, 0, ops)
	d.late.finish(&f[0], &d.clock, v.boot)
	if t.sampled || v.perInterface {
		f[0].Exporter.Sampling = d.rate(v, &f[0])
	}
	return f[0]
}

// unannounced returns the template that a set of lists lacks where it lacks all, and else 0.
func (d *Decoder) unannounced(t *template, v *view, b []byte) (lacks uint16) {
	for t.lists && len(b) >= t.size {
		ops, size := d.next(t, b)
		if size > len(b) {
			break
		}
		for id, part := range parts(ops, b) {
			switch {
			case id < firstData || len(part) == 0:
			case d.template(v, id) != nil:
				return 0
			case lacks == 0:
				lacks = id
			}
		}
		b = b[size:]
	}
	return lacks
}

// parts yields the template and the records of each part of each list of the record that b begins with.
func parts(ops []op, b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for _, o := range ops {
			list := b[o.at : int(o.at)+int(o.n) : int(o.at)+int(o.n)]
			switch {
			case o.kind == subList && len(list) >= 3:
				if !yield(binary.BigEndian.Uint16(list[1:]), list[3:]) {
					return
				}
			case o.kind == subMultiList && len(list) >= 3:
				if !eachPart(list[1:], yield) {
					return
				}
			}
		}
	}
}

// eachPart yields the parts of a list of several templates, and reports whether to go on.
func eachPart(b []byte, yield func(uint16, []byte) bool) bool {
	for len(b) >= 4 {
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < 4 || length > len(b) {
			break
		}
		if !yield(binary.BigEndian.Uint16(b), b[4:length:length]) {
			return false
		}
		b = b[length:]
	}
	return true
}

// within appends the flows of records of one template.
func (d *Decoder) within(flows []schema.Flow, t *template, v *view, outer *schema.Flow, in *template, b []byte) []schema.Flow {
	for len(b) >= in.size {
		ops, size := d.next(in, b)
		if size > len(b) {
			break
		}
		flows = append(flows, *outer)
		f := &flows[len(flows)-1]
		f.Src.Untold, f.Dst.Untold = t.untold.src&in.untold.src, t.untold.dst&in.untold.dst
		f.Initiator = max(outer.Initiator, in.initiator)
		d.late = late{}
		d.fill(flows[len(flows)-1:], d.padded(b, size), 0, ops)
		d.late.finish(f, &d.clock, v.boot)
		if in.sampled {
			f.Exporter.Sampling = d.rate(v, f)
		}
		finish(f, t.icmp || in.icmp)
		if !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() {
			flows = flows[:len(flows)-1]
		}
		b = b[size:]
	}
	return flows
}
