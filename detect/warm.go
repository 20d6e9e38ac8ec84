package detect

import "github.com/scanhound/scanhound/schema"

// A lookup in a table of hundreds of megabytes waits some 100 ns for memory, and
// the record, the block and the suspect behind it as long again. Waits that do not
// depend on each other overlap: so what a group of flows will need is touched
// first, all slots, then all records, then all that these point to.

// group is how many flows are warmed at once: enough to keep the memory busy,
// few enough to stay in the first cache.
const group = 32

// warmFrom is the number of sources up to which the state fits the caches.
const warmFrom = 20_000

// lookup is where a flow will look.
type lookup struct {
	key  uint64  // of its source
	c    contact // see targetOf
	hash uint64  // of the contact
}

// warm finds out where flows will look, and touches it. It changes nothing that counts.
func (d *Detector) warm(flows []schema.Flow) {
	for i := range flows {
		f := &flows[i]
		l := lookup{key: keyOf(f.Src.Addr), c: targetOf(f)}
		l.hash = l.c.hash()
		d.lookups[i] = l
	}
	if d.table.held < warmFrom {
		return
	}
	sum := uint64(0)
	for i := range flows {
		seg, place := home(d.lookups[i].key)
		if slots := d.table.segments[seg].slots; len(slots) > 0 {
			sum += slots[place&uint64(len(slots)-1)].key
		}
		sum += d.targets.touch(d.lookups[i].hash)
	}
	var found [group]*record
	for i := range flows {
		if s := d.table.find(d.lookups[i].key); s != nil && s.bits&slotRecord != 0 {
			found[i] = d.records.at(uint32(s.word))
			sum += uint64(found[i].failed.n)
		}
	}
	var suspects [group]*suspect
	var of [group]contact
	n := 0
	for i := range flows {
		if rec := found[i]; rec != nil {
			sum += d.touchSet(&rec.failed, d.lookups[i].hash) + d.touchSet(&rec.other, d.lookups[i].hash)
			if s := d.suspectOf(rec); s != nil {
				sum += s.touch(d.lookups[i].c)
				suspects[n], of[n] = s, d.lookups[i].c
				n++
			}
		}
	}
	d.warmed = sum + touchScans(suspects[:n], of[:n])
}

func (d *Detector) touchSet(s *set, hash uint64) uint64 {
	if s.n == 0 {
		return 0
	}
	words, marks := d.slab.block(s.block, s.size)
	if s.size <= denseSize { // up to three lines
		last := int(s.n) - 1
		return words[0] + words[last/2] + words[last] + uint64(marks[0])
	}
	at := hash & uint64(len(words)-1)
	return words[at] + uint64(marks[at])
}

func (s *suspect) touch(c contact) uint64 {
	e := &s.evidence[trackPorts]
	return uint64(s.record) + e.flows + uint64(e.oriented[0]) + uint64(e.pace.minute) + uint64(e.pace.peak) + uint64(e.sampling) +
		uint64(s.credits.hosts[hostPlace(c)]) + uint64(s.credits.ports[portPlace(c)])
}

// touchScans reads what suspects point to, a step further in each round.
func touchScans(suspects []*suspect, of []contact) (sum uint64) {
	for _, s := range suspects {
		if len(s.scans) > 0 {
			sum += uint64(s.scans[0].track)
		}
		if k := s.sketch[trackPorts]; k != nil {
			sum += uint64(k.mode)
		}
	}
	var prints [2 * group]*footprint // of the scan, and of the sketches
	for i, s := range suspects {
		if len(s.scans) > 0 && s.scans[0].footprint != nil {
			prints[2*i] = s.scans[0].footprint
			sum += uint64(prints[2*i].since)
		}
		if k := s.sketch[trackPorts]; k != nil && k.hosts.regs != nil {
			prints[2*i+1] = k.footprint
			sum += uint64(k.hosts.regs.depth)
		}
	}
	for i, s := range suspects {
		for _, f := range prints[2*i : 2*i+2] {
			if f != nil && len(f.fine) > 0 {
				sum += uint64(f.fine[0].base)
			}
		}
		if k := s.sketch[trackPorts]; k != nil && k.hosts.regs != nil {
			r := k.hosts.regs
			sum += uint64(r.cells[int(hashHost(of[i].addr())>>(64-precision))*r.depth])
		}
	}
	for i := range suspects {
		for _, f := range prints[2*i : 2*i+2] {
			if f != nil && len(f.fine) > 0 && f.fine[0].bits != nil {
				sum += f.fine[0].bits[uint16(of[i].addr())>>6]
			}
		}
	}
	return sum
}
