package detect

import "github.com/scanhound/scanhound/schema"

// A lookup in a table of hundreds of megabytes waits some 100 ns for memory, and
// the record and the block behind it as long again. Waits that do not depend on
// each other overlap: so what a group of flows will need is touched first, all
// slots, then all records, then all blocks.

// group is how many flows are warmed at once: enough to keep the memory busy,
// few enough to stay in the first cache.
const group = 16

// warm touches what counting the flows will need. It changes nothing that counts.
func (d *Detector) warm(flows []schema.Flow) {
	if d.table.held < warmFrom {
		return
	}
	var keys [group]uint64
	var found [group]*slot
	sum := uint64(0)
	for i := range flows {
		keys[i] = keyOf(flows[i].Src.Addr)
		seg, place := home(keys[i])
		if slots := d.table.segments[seg].slots; len(slots) > 0 {
			sum += slots[place&uint64(len(slots)-1)].key
		}
	}
	for i := range flows {
		if s := d.table.find(keys[i]); s != nil && s.bits&slotRecord != 0 {
			found[i] = s
			sum += uint64(d.records.at(uint32(s.word)).failed.n)
		}
	}
	for i := range flows {
		if found[i] != nil {
			rec := d.records.at(uint32(found[i].word))
			sum += d.touchSet(&rec.failed, &flows[i]) + d.touchSet(&rec.other, &flows[i])
		}
	}
	d.warmed = sum
}

// warmFrom is the number of sources up to which the state fits the caches.
const warmFrom = 20_000

func (d *Detector) touchSet(s *set, f *schema.Flow) uint64 {
	if s.size == 0 {
		return 0
	}
	words, _ := d.slab.block(s.block, s.size)
	if s.size <= denseSize {
		return words[0]
	}
	h := contactOf(f, touched, 0).hash()
	return words[h&uint64(len(words)-1)]
}
