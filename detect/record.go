package detect

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// record is a source that has touched more than one target.
type record struct {
	failed  set    // targets that count
	other   set    // targets that answered, or of which too little is known
	since   uint32 // second of the first failed contact since the last alert closed; 0: none
	suspect uint32 // 1 + index of what is held beside; 0: nothing
}

const (
	recordSize      = 24 // bytes
	recordChunkBits = 12
	recordChunk     = 1 << recordChunkBits
)

// records are records by index, in chunks that never move, with a list of free
// ones that runs through since.
type records struct {
	chunks []*[recordChunk]record
	next   uint32 // never used from here on
	free   uint32 // 1 + index of the first free one
	live   uint64
}

func (r *records) at(i uint32) *record {
	return &r.chunks[i>>recordChunkBits][i&(recordChunk-1)]
}

func (r *records) get() (uint32, *record) {
	r.live++
	if r.free != 0 {
		i := r.free - 1
		rec := r.at(i)
		r.free = rec.since
		*rec = record{}
		return i, rec
	}
	if int(r.next>>recordChunkBits) >= len(r.chunks) {
		r.chunks = append(r.chunks, new([recordChunk]record))
	}
	r.next++
	return r.next - 1, r.at(r.next - 1)
}

func (r *records) put(i uint32) {
	r.live--
	*r.at(i) = record{since: r.free}
	r.free = i + 1
}

func (r *records) bytes() uint64 { return r.live * recordSize }

// note is what a flow changed of its contact.
type note struct {
	c      contact
	fresh  bool // it counts as a failed target that did not count before
	probed bool // it had been probed before and has answered now
	known  bool // it had been contacted before
	talked bool // it had answered before
}

// observe remembers the contact c of a record.
func (d *Detector) observe(rec *record, c contact, hash uint64) note {
	b := &d.slab
	if at := rec.failed.find(b, c, hash); at >= 0 {
		if d.remembers(rec.failed.at(b, at)) {
			return d.again(rec, at, c)
		}
		rec.failed.remove(b, at)
	}
	if at := rec.other.find(b, c, hash); at >= 0 {
		if known := rec.other.at(b, at); d.remembers(known) {
			talked := known.marks&markAnswered != 0
			known.merge(c, d.now, d.retold)
			if !known.marks.isProbe() {
				rec.other.change(b, at, known)
				return note{c: known, known: true, talked: talked}
			}
			c = known
		}
		rec.other.remove(b, at)
	}
	if !c.marks.isProbe() {
		rec.other.add(b, c, hash, d.now, d.units.window)
		d.tell(rec, c, hash)
		return note{c: c}
	}
	if rec.failed.n == maxContacts {
		d.spill(rec)
	}
	rec.failed.add(b, c, hash, d.now, d.units.window)
	d.tell(rec, c, hash)
	return note{c: c, fresh: rec.failed.sampled(hash)}
}

// remembers: what is older than the window is forgotten, if not yet dropped.
func (d *Detector) remembers(c contact) bool { return c.stamp().age(d.now) <= d.units.window }

// again handles another flow to a target in the failed set.
func (d *Detector) again(rec *record, at int, c contact) note {
	known := rec.failed.at(&d.slab, at)
	news := known.merge(c, d.now, d.retold)
	if known.marks.isProbe() {
		rec.failed.change(&d.slab, at, known)
		return note{c: known, fresh: news, known: true}
	}
	rec.failed.remove(&d.slab, at)
	rec.other.add(&d.slab, known, known.hash(), d.now, d.units.window)
	return note{c: known, probed: true, known: true}
}

// retoldAfter is how long a target that an alert told of must have been left
// alone before touching it is the beginning of another scan.
const retoldAfter = 5 * 60 // seconds

// outlived reports whether the record of a source that has been quiet for so long
// holds contacts that are older than the window by more than slack. Event time may
// have leapt further since than stamps can tell, so ages are taken at the source's
// latest flow, before which each touch purged.
func (d *Detector) outlived(s *slot, quiet, slack uint32) bool {
	latest := d.units.stamp(schema.Time(s.seen) * 1e9)
	return s.oldest.age(latest)+quiet > d.units.window+slack
}

// unseen is how many units ago a source was last seen.
func (d *Detector) unseen(s *slot) uint32 {
	return d.units.count(time.Duration(d.second-s.seen) * time.Second)
}

// purge drops what is older than the window from the record of a source that has
// been quiet for so long.
func (d *Detector) purge(s *slot, rec *record, quiet uint32) {
	latest := d.units.stamp(schema.Time(s.seen) * 1e9)
	oldest := uint32(0)
	s.oldest = latest
	recent := func(c contact) bool {
		age := c.stamp().age(latest)
		if age+quiet > d.units.window {
			return false
		}
		if age > oldest {
			oldest, s.oldest = age, c.stamp()
		}
		return true
	}
	rec.failed.keep(&d.slab, recent)
	d.remember(rec, s.key, s.seen, recent)
	rec.other.keep(&d.slab, recent)
	sus := d.suspectOf(rec)
	if sus == nil {
		return
	}
	d.forgetPast(sus)
	sus.blockAt = [trackCount]int{}
	then := paneWindow{now: paneOf(latest), window: d.panes.window}
	for _, k := range sus.sketch {
		if k != nil {
			k.expire(&then, quiet>>paneShift)
		}
	}
	if rec.failed.n == 0 {
		sus.sketch = [trackCount]*sketches{}
	}
}
