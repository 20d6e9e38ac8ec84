package detect

// counter counts keys: an open-addressing table that is emptied by what was used.
type counter struct {
	slots []counted
	used  []uint16
}

type counted struct {
	key uint32
	n   uint32 // 0: free
}

// counterSlots is more than twice the contacts that a source's two sets can hold.
const counterSlots = 1 << (largest + 2)

func newCounter() counter { return counter{slots: make([]counted, counterSlots)} }

// add counts key, and returns how often it was counted so far.
func (k *counter) add(key uint32) uint32 {
	const mask = counterSlots - 1
	i := uint32(hashHost(key)) & mask
	for k.slots[i].n != 0 && k.slots[i].key != key {
		i = (i + 1) & mask
	}
	s := &k.slots[i]
	if s.n == 0 {
		s.key = key
		k.used = append(k.used, uint16(i))
	}
	s.n++
	return s.n
}

// all yields what was counted, in no order.
func (k *counter) all(yield func(counted) bool) {
	for _, i := range k.used {
		if !yield(k.slots[i]) {
			return
		}
	}
}

func (k *counter) most() (n uint32) {
	for _, i := range k.used {
		n = max(n, k.slots[i].n)
	}
	return n
}

func (k *counter) reset() {
	for _, i := range k.used {
		k.slots[i] = counted{}
	}
	k.used = k.used[:0]
}
