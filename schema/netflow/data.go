package netflow

import (
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// data reads a data set, of which the datagram lacks the last `lacking` bytes.
func (d *Decoder) data(flows []schema.Flow, id uint16, b []byte, lacking int) []schema.Flow {
	v := d.view()
	var t *template
	if v != nil {
		t = d.template(v, id)
	}
	if t == nil {
		d.early(b)
		return flows
	}
	d.stats.Sets.Data++
	if !t.used.Load() {
		t.used.Store(true) // only then: a store takes the cache line from the other decoders
	}
	switch {
	case t.options:
		d.options(t, b, lacking)
	case !t.two:
		d.addressless(t, b, lacking)
	case t.steps != nil:
		flows = d.walked(flows, t, v, b, lacking)
	default:
		flows = d.fixed(flows, t, v, b, lacking)
	}
	return flows
}

// early counts a data set that came before its template. It is the place to keep the set until the
// template comes.
func (d *Decoder) early(b []byte) {
	d.stats.Sets.NoTemplate++
	d.stats.Sets.NoTemplateBytes += uint64(len(b))
	d.worst(NoTemplate)
}

// fixed reads a set whose records are all alike: the hot path.
func (d *Decoder) fixed(flows []schema.Flow, t *template, v *view, b []byte, lacking int) []schema.Flow {
	n := len(b) / t.size
	from := len(flows)
	flows = slices.Grow(flows, n)[:from+n]
	d.begin(t, v)
	for i := range flows[from:] {
		f := &flows[from+i]
		*f = d.base
		rec := b
		if len(rec) < t.size+slack {
			rec = d.padded(rec, t.size)
		}
		d.flow(f, t, v, rec, t.ops)
		b = b[t.size:]
	}
	d.stats.Records.Seen += uint64(n)
	d.stats.Records.Flows += uint64(n)
	d.rest(t, b, lacking)
	return flows
}

// walked reads a set whose records differ in length, or in which of their fields count.
func (d *Decoder) walked(flows []schema.Flow, t *template, v *view, b []byte, lacking int) []schema.Flow {
	d.begin(t, v)
	for len(b) >= t.size {
		ops, n := d.next(t, b)
		if n > len(b) {
			break
		}
		d.stats.Records.Seen++
		d.stats.Records.Flows++
		flows = append(flows, d.base)
		d.flow(&flows[len(flows)-1], t, v, d.padded(b, n), ops)
		b = b[n:]
	}
	d.rest(t, b, lacking)
	return flows
}

// addressless counts the records of a template without a source or a destination: switched frames,
// interface counters, NAT pools. They are no flows between two ends.
func (d *Decoder) addressless(t *template, b []byte, lacking int) {
	for len(b) >= t.size {
		_, n := d.next(t, b)
		if n > len(b) {
			break
		}
		d.stats.Records.Seen++
		d.stats.Records.NoAddress++
		b = b[n:]
	}
	d.rest(t, b, lacking)
}

// options reads a set of options records.
func (d *Decoder) options(t *template, b []byte, lacking int) {
	for len(b) >= t.size {
		ops, n := d.next(t, b)
		if n > len(b) {
			break
		}
		d.stats.Records.Seen++
		d.stats.Records.Options++
		d.option(t, d.padded(b, n), ops)
		b = b[n:]
	}
	d.rest(t, b, lacking)
}

// rest counts what a set holds behind its last whole record. Up to 3 bytes are padding, and so are zeros.
func (d *Decoder) rest(t *template, b []byte, lacking int) {
	var lost int
	switch {
	case lacking > 0 && t.steps == nil:
		lost = (len(b) + lacking) / t.size
	case lacking > 0, len(b) > 3 && !zero(b):
		lost = 1 // or more: their lengths are lost with them
	}
	if lost > 0 {
		d.stats.Records.Seen += uint64(lost)
		d.stats.Records.Cut += uint64(lost)
		d.worst(Truncated)
	}
}

// begin prepares d.base for the records of one set.
func (d *Decoder) begin(t *template, v *view) {
	d.base.Initiator = t.initiator
	d.base.Exporter.Sampling = v.rate
}

// flow fills f, which is a copy of d.base, from one record.
func (d *Decoder) flow(f *schema.Flow, t *template, v *view, rec []byte, ops []op) {
	if !t.late && !v.perInterface {
		d.fill(f, rec, ops)
		finish(f)
		return
	}
	d.late = late{}
	d.fill(f, rec, ops)
	d.late.finish(f, &d.clock, v.boot)
	if t.sampled || v.perInterface {
		f.Exporter.Sampling = d.rate(v, f)
	}
	finish(f)
}

// padded returns a record of n bytes with the slack that its ops need: b itself, or a copy if b ends
// too early.
func (d *Decoder) padded(b []byte, n int) []byte {
	if len(b) >= n+slack {
		return b
	}
	d.tail = append(append(d.tail[:0], b[:n]...), make([]byte, slack)...)
	return d.tail
}
