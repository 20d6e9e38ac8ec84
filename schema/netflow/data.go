package netflow

import (
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// data reads a data set, of which the datagram lacks the last `lacking` bytes.
func (d *Decoder) data(flows []schema.Flow, id uint16, b []byte, lacking int) []schema.Flow {
	for {
		lacks, outer := id, (*template)(nil)
		if v := d.view(); v != nil {
			if t := d.template(v, id); t != nil {
				if lacks = d.unannounced(t, v, b); lacks == 0 {
					d.stats.Sets.Data++
					return d.records(flows, v, t, b, lacking)
				}
				outer = t
			}
		}
		if d.templates.wait(d, lacks, outer, b, lacking) {
			d.stats.Sets.NoTemplate++
			d.stats.Sets.NoTemplateBytes += uint64(len(b))
			d.worst(NoTemplate)
			return flows
		}
	}
}

// records reads the records of a set.
func (d *Decoder) records(flows []schema.Flow, v *view, t *template, b []byte, lacking int) []schema.Flow {
	if t.session == v.own && d.templates.waiting.due.Load() != 0 {
		t.session.heard.Store(int64(d.base.Received))
	}
	if !t.used.Load() {
		t.used.Store(true) // only then: a store takes the cache line from the other decoders
	}
	switch {
	case t.options:
		d.options(t, b, lacking)
	case t.section:
		flows = d.sections(flows, t, v, b, lacking)
	case t.lists:
		flows = d.lists(flows, t, v, b, lacking)
	case !t.two:
		d.addressless(t, b, lacking)
	case t.steps != nil:
		flows = d.walked(flows, t, v, b, lacking)
	default:
		flows = d.fixed(flows, t, v, b, lacking)
	}
	return flows
}

// fixed reads a set whose records are all alike: the hot path.
func (d *Decoder) fixed(flows []schema.Flow, t *template, v *view, b []byte, lacking int) []schema.Flow {
	n := len(b) / t.size
	from := len(flows)
	flows = slices.Grow(flows, n)[:from+n]
	d.begin(t, v)
	fs, rest := flows[from:], b[n*t.size:]
	d.clear(fs)
	if t.late || v.perInterface {
		for i := range fs {
			d.flow(fs[i:i+1], t, v, d.padded(b[i*t.size:], t.size), t.ops)
		}
	} else {
		d.columns(fs, t, b)
	}
	d.stats.Records.Seen += uint64(n)
	d.stats.Records.Flows += uint64(n)
	d.rest(t, rest, lacking)
	return flows
}

// clear makes each flow a copy of d.base. Copying what is already there, twice as much each time, takes
// 1 ns less for each than one after the other.
func (d *Decoder) clear(fs []schema.Flow) {
	if len(fs) == 0 {
		return
	}
	fs[0] = d.base
	for n := 1; n < len(fs); n *= 2 {
		copy(fs[n:], fs[:n])
	}
}

// columns fills flows from records that need nothing but their fields. Those that end with b, which is
// one, are read from a copy.
func (d *Decoder) columns(fs []schema.Flow, t *template, b []byte) {
	n := min(len(fs), max(0, len(b)-slack)/t.size)
	d.fill(fs[:n], b, t.size, t.ops)
	for i := n; i < len(fs); i++ {
		d.fill(fs[i:i+1], d.padded(b[i*t.size:], t.size), t.size, t.ops)
	}
	for i := range fs {
		finish(&fs[i], t.icmp)
	}
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
		flows = append(flows, d.base)
		d.flow(flows[len(flows)-1:], t, v, d.padded(b, n), ops)
		b = b[n:]
		if f := &flows[len(flows)-1]; !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() {
			d.stats.Records.NoAddress++ // a length of this record was none of an address
			flows = flows[:len(flows)-1]
			continue
		}
		d.stats.Records.Flows++
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
	t.untold.say(&d.base)
	d.base.Exporter.Sampling = v.rate
}

// flow fills the one flow of fs, which is a copy of d.base, from one record.
func (d *Decoder) flow(fs []schema.Flow, t *template, v *view, rec []byte, ops []op) {
	f := &fs[0]
	if !t.late && !v.perInterface {
		d.fill(fs, rec, 0, ops)
		finish(f, t.icmp)
		return
	}
	d.late = late{}
	d.fill(fs, rec, 0, ops)
	d.late.finish(f, &d.clock, v.boot)
	if t.sampled || v.perInterface {
		f.Exporter.Sampling = d.rate(v, f)
	}
	finish(f, t.icmp)
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
