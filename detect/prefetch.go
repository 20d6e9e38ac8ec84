package detect

import (
	"github.com/scanhound/scanhound/detect/internal/prefetch"
	"github.com/scanhound/scanhound/schema"
)

// How the state is read ahead; nothing that counts changes here, and whoever wants to know
// what a flow does may skip this file.
//
// A line of a state of hundreds of megabytes takes some 100 ns to come, and where the next
// one lies stands in it: slot, account, block, suspect, scan. So flows go through stages, a
// group of them at a time. A stage reads what the one before has asked for, and asks for what
// that points to. Between two stages other groups have their turn, and the oldest is counted:
// by the time that a stage reads a line, it is there.

const (
	group  = 16 // flows that pass a stage together
	stages = 5  // before they are counted
	// lead is how many flows are looked up before the first of them is counted.
	lead = group * stages
	// lookups is more than are on their way.
	lookups = 128
)

// prefetchFrom is the number of sources up to which the state fits the caches.
const prefetchFrom = 20_000

// lookup is where a flow will look.
type lookup struct {
	key     uint64   // of its source
	home    uint64   // hash of the key
	c       contact  // see targetOf
	hash    uint64   // of the contact
	slot    *slot    // where its source was found, or nil
	acc     *account // what the slot pointed to then: to be read ahead only
	version uint32   // of the table then
	lone    bool     // nothing came back, so it may belong to a beginning
}

// prefetcher is the flows on their way.
type prefetcher struct {
	lookups [lookups]lookup
	lines   [group * 16]uintptr // that a stage asks for
	asked   int
}

// lookup is that of the i-th of the flows that Observe was given.
func (p *prefetcher) lookup(i int) *lookup { return &p.lookups[i%lookups] }

// want notes a line to be asked for.
func (p *prefetcher) want(line uintptr) {
	if p.asked < len(p.lines) {
		p.lines[p.asked] = line
		p.asked++
	}
}

// wantAll notes the lines of so many bytes.
func (p *prefetcher) wantAll(at, size uintptr) {
	for end := at + size; at < end; at += prefetch.LineSize {
		p.want(at)
	}
}

// ask asks for what was wanted.
func (p *prefetcher) ask() {
	prefetch.Lines(p.lines[:p.asked])
	p.asked = 0
}

// prefetch lets the group of flows from at on pass the first stage, and those before it the
// next ones. What has passed all of them is lead behind at.
func (d *Detector) prefetch(flows []schema.Flow, at int) {
	d.lookUp(flows, at, min(at+group, len(flows)))
	if d.ledger.table.held < prefetchFrom {
		return
	}
	for stage, pass := range [...]func(*Detector, *lookup){(*Detector).findSource, (*Detector).readAccount, (*Detector).readSuspect, (*Detector).readScans} {
		from := at - (stage+1)*group
		for i := max(from, 0); i < min(from+group, len(flows)); i++ {
			pass(d, d.ahead.lookup(i))
		}
		d.ahead.ask()
	}
}

// lookUp finds out where flows will look, and asks for the slots of their sources and targets.
func (d *Detector) lookUp(flows []schema.Flow, from, to int) {
	for i := from; i < to; i++ {
		f, l := &flows[i], d.ahead.lookup(i)
		l.key, l.c, l.slot, l.acc, l.lone = sourceKey(f), targetOf(f), nil, nil, f.Dst.Packets == 0
		l.home, l.hash = schema.Mix64(l.key), l.c.hash()
		seg, place := placeOf(l.home)
		if slots := d.ledger.table.segments[seg].slots; len(slots) > 0 {
			line := prefetch.Of(&slots[place&uint64(len(slots)-1)])
			d.ahead.want(line)
			d.ahead.want(line + slotSize) // where the next probe looks
		}
		if s, _ := d.network.outages.of(l.hash); s != nil {
			d.ahead.want(prefetch.Of(s))
		}
	}
	d.ahead.ask()
}

// findSource finds the slot of a source, and asks for its account.
func (d *Detector) findSource(l *lookup) {
	l.slot, l.version = d.ledger.table.findFrom(l.key, l.home), d.ledger.table.version
	if l.slot != nil && l.slot.bits&slotAccount != 0 {
		l.acc = d.ledger.accounts.at(uint32(l.slot.word))
		d.ahead.want(prefetch.Of(l.acc))
	} else if l.lone || l.slot == nil {
		d.wantBeginning(l)
	}
}

// readAccount asks for the contacts of an account, and for what is held beside.
func (d *Detector) readAccount(l *lookup) {
	acc := l.acc
	if acc == nil {
		if l.lone {
			d.wantEvidence(l)
		}
		return
	}
	d.wantContacts(&acc.failed, l.hash)
	d.wantContacts(&acc.other, l.hash)
	if s := d.ledger.suspectOf(acc); s != nil {
		d.ahead.wantAll(prefetch.Of(s), hotSuspect)
	} else if l.lone {
		d.wantBeginning(l)
	}
}

// wantBeginning asks for the heads among which the beginning of a source may be.
func (d *Detector) wantBeginning(l *lookup) {
	seg, _ := placeOf(l.home)
	if of := &d.ledger.beginnings.of[seg]; len(of.heads) > 0 {
		heads, _ := of.bucket(l.home)
		d.ahead.want(prefetch.Of(heads))
	}
}

// wantEvidence asks for the evidence that a source has, or that it takes the place of.
func (d *Detector) wantEvidence(l *lookup) {
	seg, _ := placeOf(l.home)
	if of := &d.ledger.beginnings.of[seg]; len(of.heads) > 0 {
		heads, all := of.bucket(l.home)
		i := weakest(heads)
		for j := range heads {
			if heads[j].source == l.key {
				i = j
			}
		}
		d.ahead.wantAll(prefetch.Of(&all[i]), prefetch.Size[evidence]())
	}
}

// wantContacts asks for those lines of a set in which a contact with this hash may be.
func (d *Detector) wantContacts(s *set, hash uint64) {
	if s.size == 0 {
		return // they lie in the account
	}
	words, marks := s.places(&d.ledger.slab)
	first := 0
	if s.size > denseSize {
		first = int(hash & uint64(len(words)-1))
	}
	d.ahead.want(prefetch.Of(&words[first]))
	if s.size != oneLine {
		d.ahead.want(prefetch.Of(&marks[first]))
	}
}

// hotSuspect is how much of a suspect every probe reads: eight lines.
const hotSuspect = 8*prefetch.LineSize - 8

// readSuspect asks for the first scan of a suspect, and for its sketches.
func (d *Detector) readSuspect(l *lookup) {
	if l.acc == nil {
		return
	}
	if s := d.ledger.suspectOf(l.acc); s != nil {
		if len(s.scans) > 0 {
			d.ahead.want(prefetch.Of(&s.scans[0]))
		}
		if k := s.sketch[trackPorts]; k != nil {
			d.ahead.want(prefetch.Of(k))
		}
	} else if l.lone {
		d.wantEvidence(l)
	}
}

// readScans asks for what every flow to a scan reads of it.
func (d *Detector) readScans(l *lookup) {
	if l.acc != nil {
		if s := d.ledger.suspectOf(l.acc); s != nil && len(s.scans) > 0 {
			d.ahead.wantAll(prefetch.Of(s.scans[0]), prefetch.Size[scan]())
		}
	}
}
