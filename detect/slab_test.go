package detect

import (
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// What is written into a block stays there while others come and go, and a block that is
// handed out is empty, whoever had it before.
func TestABlockBelongsToOneHolderAtATime(t *testing.T) {
	type held struct {
		handle uint32
		size   uint8
		stamp  uint64
	}
	rapid.Check(t, func(t *rapid.T) {
		var s slab
		var blocks []held
		live := uint64(0)
		for step := range uint64(rapid.IntRange(1, 400).Draw(t, "steps")) {
			if len(blocks) > 0 && rapid.IntRange(0, 2).Draw(t, "put") == 0 {
				i := rapid.IntRange(0, len(blocks)-1).Draw(t, "which")
				b := blocks[i]
				s.put(b.handle, b.size)
				live -= blockBytes(b.size)
				blocks[i] = blocks[len(blocks)-1]
				blocks = blocks[:len(blocks)-1]
			} else {
				size := rapid.Uint8Range(smallest, largest).Draw(t, "size")
				b := held{s.get(size), size, step + 1}
				live += blockBytes(size)
				words, marks := s.block(b.handle, size)
				if len(words) < room(size) || len(marks) != len(words) {
					t.Fatalf("a block for %d has %d words and %d marks", room(size), len(words), len(marks))
				}
				for i := range words {
					if words[i] != 0 || marks[i] != 0 {
						t.Fatalf("place %d of a new block holds %x and %x", i, words[i], marks[i])
					}
					words[i], marks[i] = b.stamp, 1
				}
				blocks = append(blocks, b)
			}
			if s.bytes() != live {
				t.Fatalf("%d bytes for %d handed out", s.bytes(), live)
			}
		}
		for _, b := range blocks {
			words, _ := s.block(b.handle, b.size)
			for i, w := range words {
				if w != b.stamp {
					t.Fatalf("place %d of block %d holds %d, the %d. wrote it", i, b.handle, w, b.stamp)
				}
			}
		}
	})
}

func TestWhatIsGivenBackIsHandedOutAgainBeforeANewChunkIs(t *testing.T) {
	var s slab
	for round := range 50 {
		var handles []uint32
		for range chunkSize >> firstTable {
			handles = append(handles, s.get(firstTable))
		}
		for _, h := range handles {
			s.put(h, firstTable)
		}
		if len(s.words) != 1 || s.bytes() != 0 {
			t.Fatalf("round %d: %d chunks, %d bytes", round, len(s.words), s.bytes())
		}
	}
}

func TestTheEndOfAChunkIsNotLost(t *testing.T) {
	var s slab
	s.get(firstTable) // so that no multiple of the largest is left
	for range chunkSize>>largest - 1 {
		s.get(largest)
	}
	s.get(largest) // the rest of the chunk is too small for it
	if len(s.words) != 2 {
		t.Fatalf("%d chunks", len(s.words))
	}
	for size := uint8(firstTable); size < largest; size++ {
		if h := s.get(size); h>>chunkBits != 0 {
			t.Errorf("a block of %d places lies in chunk %d", 1<<size, h>>chunkBits)
		}
	}
}

// An account, and the block of a set that is no table, lie in as few lines as they can.
func TestAccountsAndSmallBlocksLieInWholeLinesOfMemory(t *testing.T) {
	var l ledger
	at := func(p unsafe.Pointer) uintptr { return uintptr(p) % lineSize }
	if unsafe.Sizeof(account{}) != lineSize || unsafe.Sizeof(lineOf7{}) != lineSize || unsafe.Sizeof(linesOf14{}) != 2*lineSize {
		t.Errorf("an account takes %d bytes, blocks %d and %d", unsafe.Sizeof(account{}), unsafe.Sizeof(lineOf7{}), unsafe.Sizeof(linesOf14{}))
	}
	for range 3 * max(accountChunk, oneChunk) {
		_, acc := l.accounts.get()
		one, _ := l.slab.block(l.slab.get(oneLine), oneLine)
		two, _ := l.slab.block(l.slab.get(twoLines), twoLines)
		if at(unsafe.Pointer(acc)) != 0 || at(unsafe.Pointer(&one[0])) != 0 || at(unsafe.Pointer(&two[0])) != 0 {
			t.Fatalf("an account at %p, blocks at %p and %p", acc, &one[0], &two[0])
		}
	}
}

// What a probe reads of a suspect begins with a line of memory, behind the eight bytes that
// the runtime keeps before an object, and ends with the eighth.
func TestWhatAProbeReadsOfASuspectLiesInEightLines(t *testing.T) {
	var l ledger
	for range 100 {
		_, acc := l.accounts.get()
		s := new(suspect)
		l.enlist(acc, s)
		if at := uintptr(unsafe.Pointer(s)) % lineSize; at != 8 {
			t.Fatalf("it begins %d bytes behind a line", at)
		}
		for name, at := range map[string]uintptr{
			"notBefore": unsafe.Offsetof(s.notBefore), "credits": unsafe.Offsetof(s.credits), "ports": unsafe.Offsetof(s.credits) + unsafe.Offsetof(s.credits.ports),
		} {
			if at%lineSize != lineSize-8 {
				t.Errorf("%s begins at %d", name, at)
			}
		}
		if end := unsafe.Offsetof(s.evidence) + unsafe.Offsetof(s.evidence[0].exporters); end > hotSuspect {
			t.Errorf("it ends at %d", end)
		}
	}
}
