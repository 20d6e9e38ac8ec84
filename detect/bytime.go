package detect

// byTime orders contacts by when they were last touched, then by target: an
// order that does not depend on how they arrived. Every revision of an alert needs it,
// so the order is that of one number for each: age, address, port, 64 bits in all.
func (l *ledger) byTime(of []contact) {
	keys := l.scratch.keys[:0]
	differ, class := uint64(0), marks(0)
	for _, c := range of {
		k := timeKey{^uint64(c.stamp().age(l.now))<<48 | c.word>>16, c.marks}
		keys = append(keys, k)
		differ |= k.key ^ keys[0].key
		class |= k.marks ^ keys[0].marks
	}
	l.scratch.keys = keys
	if len(keys) <= fewKeys {
		sortFew(keys)
	} else {
		if cap(l.scratch.sorted) < len(keys) {
			l.scratch.sorted = make([]timeKey, cap(keys))
		}
		keys = sortMany(keys, l.scratch.sorted[:len(keys)], differ, class>>classShift != 0)
	}
	for i, k := range keys {
		of[i] = contact{k.key<<16 | uint64(l.now-^stamp(k.key>>48)), k.marks}
	}
}

// timeKey is a contact as it is sorted: the older, the smaller.
type timeKey struct {
	key   uint64
	marks marks
}

func (k timeKey) less(o timeKey) bool {
	return k.key < o.key || k.key == o.key && k.marks>>classShift < o.marks>>classShift
}

// fewKeys are sorted by insertion: most come in their order.
const fewKeys = 24

func sortFew(keys []timeKey) {
	for i := 1; i < len(keys); i++ {
		k, at := keys[i], i
		for ; at > 0 && k.less(keys[at-1]); at-- {
			keys[at] = keys[at-1]
		}
		keys[at] = k
	}
}

// sortMany sorts byte by byte, the last first, those bytes that differ: it takes turns
// with a second slice of the same length, and returns the one that has the result.
func sortMany(keys, other []timeKey, differ uint64, byClass bool) []timeKey {
	pass := func(digit func(timeKey) uint8) {
		var at [256]uint32
		for _, k := range keys {
			at[digit(k)]++
		}
		sum := uint32(0)
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for _, k := range keys {
			d := digit(k)
			other[at[d]] = k
			at[d]++
		}
		keys, other = other, keys
	}
	if byClass {
		pass(func(k timeKey) uint8 { return uint8(k.marks >> classShift) })
	}
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff != 0 {
			pass(func(k timeKey) uint8 { return uint8(k.key >> shift) })
		}
	}
	return keys
}
