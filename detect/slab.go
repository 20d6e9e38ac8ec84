package detect

// slab holds the blocks in which contacts lie: arrays of 2, 4, 8, ... places, cut
// from chunks without pointers, so that the collector has nothing to scan. A
// block that is given back is the next of its size to be handed out.
type slab struct {
	words [][]uint64
	marks [][]marks
	free  [blockSizes]uint32 // 1 + handle of the first free block of a size, 0 for none
	next  uint32             // first place of the last chunk that was never used
	live  uint64             // places handed out
}

const (
	chunkBits  = 15 // places of a chunk: 288 KiB
	chunkSize  = 1 << chunkBits
	smallest   = 1  // log2 of the smallest block
	largest    = 10 // log2 of the largest
	blockSizes = largest + 1
	placeSize  = 9 // bytes
)

// get returns the handle of an empty block of 1<<size places.
func (s *slab) get(size uint8) uint32 {
	s.live += 1 << size
	if h := s.free[size]; h != 0 {
		w, m := s.block(h-1, size)
		s.free[size] = uint32(w[0])
		clear(w)
		clear(m)
		return h - 1
	}
	if int(s.next>>chunkBits) >= len(s.words) || s.next&(chunkSize-1)+1<<size > chunkSize {
		s.chunk()
	}
	h := s.next
	s.next += 1 << size
	return h
}

// chunk begins a new chunk; what is left of the last one becomes free blocks.
func (s *slab) chunk() {
	for size := uint8(largest); len(s.words) > 0 && s.next&(chunkSize-1) != 0 && size >= smallest; size-- {
		for s.next&(chunkSize-1) != 0 && chunkSize-s.next&(chunkSize-1) >= 1<<size {
			s.release(s.next, size)
			s.next += 1 << size
		}
	}
	s.next = uint32(len(s.words)) << chunkBits
	s.words = append(s.words, make([]uint64, chunkSize))
	s.marks = append(s.marks, make([]marks, chunkSize))
}

// put takes a block back.
func (s *slab) put(h uint32, size uint8) {
	s.live -= 1 << size
	s.release(h, size)
}

func (s *slab) release(h uint32, size uint8) {
	w, _ := s.block(h, size)
	w[0] = uint64(s.free[size])
	s.free[size] = h + 1
}

// block returns the places of a block.
func (s *slab) block(h uint32, size uint8) ([]uint64, []marks) {
	chunk, at := h>>chunkBits, h&(chunkSize-1)
	end := at + 1<<size
	return s.words[chunk][at:end:end], s.marks[chunk][at:end:end]
}

// bytes is what the blocks that are handed out take.
func (s *slab) bytes() uint64 { return s.live * placeSize }
