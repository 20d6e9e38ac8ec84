package detect

import (
	"slices"

	"github.com/scanhound/scanhound/detect/internal/wire"
	"github.com/scanhound/scanhound/schema"
)

// The bytes of a source (in the words of slice.go):
//
//	source    flags:1 key:4 (IPv4) or 8  seen:ago
//	          without account: marks:1 contact:8
//	          with: oldest:2 since:u (0 none, 1+ago before seen) failed:set other:set [suspect]
//	  flags   0 account, 1 IPv6, 2 suspect, 3 an IPv4 source as sampled exporters show it

// sourceState is a source outside of the table.
type sourceState struct {
	key     uint64
	seen    uint32
	one     contact // without marks: the rest is its record
	oldest  stamp
	since   uint32
	failed  setState
	other   setState
	suspect *suspect
	dues    []schema.Time // when its open scans are looked at next
}

// The least bytes that these take.
const (
	minSource = 11
	minNet    = 8 + 9*netMembers + 3
)

// maxSources is more than a segment can have.
const maxSources = 1 << 26

// sourceState takes a source out of the table; its contacts lie in room.
func (d *Detector) sourceState(s *slot, room []contact) sourceState {
	x := sourceState{key: s.key, seen: s.seen}
	if s.bits&slotAccount == 0 {
		x.one = contact{s.word, s.one}
		return x
	}
	acc := d.ledger.accounts.at(uint32(s.word))
	x.oldest, x.since = s.oldest, acc.since
	x.failed, x.other = d.ledger.copySet(&acc.failed, room[:maxContacts]), d.ledger.copySet(&acc.other, room[maxContacts:])
	if x.suspect = d.ledger.suspectOf(acc); x.suspect == nil {
		return x
	}
	for _, sc := range x.suspect.scans {
		at, _ := slices.BinarySearchFunc(d.docket.open, sc, func(o openScan, sc *scan) int { return compareOpen(o.scan, sc) })
		x.dues = append(x.dues, d.docket.open[at].dueAt)
	}
	return x
}

func (x *sourceState) wire(w *wire.Wire, now uint32) {
	account, v6, suspicious := x.one.marks == 0, x.key&keyV6 != 0, x.suspect != nil
	sampled := !v6 && x.key&keySampled4 != 0
	w.Bits(&account, &v6, &suspicious, &sampled)
	wireKey(w, &x.key, v6)
	if sampled && !v6 {
		x.key = sampledKey(x.key)
	}
	w.Back(&x.seen, now)
	if !account {
		wireMarks(w, &x.one.marks)
		word := x.one.word
		w.U64(&word)
		x.one.word = word
		w.Check(x.one.marks.class() <= classOther && !suspicious, "a contact of no protocol")
		return
	}
	w.U16((*uint16)(&x.oldest))
	w.Since(&x.since, x.seen)
	x.failed.wire(w, true)
	x.other.wire(w, false)
	w.Check(!w.Reading() || distinctTargets(x.failed.contacts, x.other.contacts), "a target that is there twice")
	if !suspicious {
		return
	}
	if w.Reading() {
		x.suspect = new(suspect)
	}
	x.suspect.wire(w, &x.dues)
	if w.Reading() && w.Err() == nil && x.suspect.key() != x.key {
		w.Fail("a suspect with the address of another")
	}
}

// key is what the table knows a source by.
func (s *suspect) key() uint64 {
	key := keyOf(s.addr)
	if s.net {
		key = netKeyOf(s.addr)
	}
	if s.sampled {
		return sampledKey(key)
	}
	return key
}

// wireKey is a source by what the table knows it by.
func wireKey(w *wire.Wire, key *uint64, v6 bool) {
	if v6 {
		w.U64(key)
		w.Check(*key&keyV6 != 0, "an IPv6 source with the key of an IPv4 one")
		return
	}
	address := uint32(*key)
	w.U32(&address)
	*key = 1<<32 | uint64(address)
}
