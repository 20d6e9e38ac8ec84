package detect

// slab holds the blocks in which contacts lie, cut from chunks without pointers, so that
// the collector has nothing to scan. A block that is given back is the next of its size to
// be handed out.
//
// Small blocks are whole lines of memory, with words and marks together: to look into one is
// one wait, or two. Larger ones are arrays of 32, 64, ... places.
type slab struct {
	ones    []*[oneChunk]lineOf7
	twos    []*[twoChunk]linesOf14
	words   [][]uint64
	marks   [][]marks
	free    [blockSizes]uint32 // 1 + handle of the first free block of a size, 0 for none
	nextOne uint32             // first of the last chunk that was never used
	nextTwo uint32
	next    uint32 // first place
	live    uint64 // bytes handed out

	scratch []contact // see keep
}

// lineOf7 is a block of one line. A chunk begins on a page, so no block lies across two.
type lineOf7 struct {
	words [7]uint64
	marks [7]marks
	_     [1]byte
}

// linesOf14 is a block of two lines.
type linesOf14 struct {
	words [14]uint64
	marks [14]marks
	_     [2]byte
}

const (
	lineSize   = 64 // bytes of memory that are read together
	oneBits    = 12
	oneChunk   = 1 << oneBits
	twoBits    = 11
	twoChunk   = 1 << twoBits
	chunkBits  = 15 // places of a chunk: 288 KiB
	chunkSize  = 1 << chunkBits
	oneLine    = 3 // size of a block of one line
	twoLines   = 4
	smallest   = oneLine
	firstTable = 5  // log2 of the places of the smallest table
	largest    = 10 // of the largest
	blockSizes = largest + 1
	placeSize  = 9 // bytes
)

// blockBytes is what a block of a size takes.
func blockBytes(size uint8) uint64 {
	switch size {
	case oneLine:
		return lineSize
	case twoLines:
		return 2 * lineSize
	}
	return placeSize << size
}

// get returns the handle of an empty block of a size.
func (s *slab) get(size uint8) uint32 {
	s.live += blockBytes(size)
	if h := s.free[size]; h != 0 {
		w, m := s.block(h-1, size)
		s.free[size] = uint32(w[0])
		clear(w)
		clear(m)
		return h - 1
	}
	switch size {
	case oneLine:
		if int(s.nextOne>>oneBits) == len(s.ones) {
			s.ones = append(s.ones, new([oneChunk]lineOf7))
		}
		s.nextOne++
		return s.nextOne - 1
	case twoLines:
		if int(s.nextTwo>>twoBits) == len(s.twos) {
			s.twos = append(s.twos, new([twoChunk]linesOf14))
		}
		s.nextTwo++
		return s.nextTwo - 1
	}
	if int(s.next>>chunkBits) >= len(s.words) || s.next&(chunkSize-1)+1<<size > chunkSize {
		s.chunk()
	}
	h := s.next
	s.next += 1 << size
	return h
}

// chunk begins a new chunk of tables; what is left of the last one becomes free blocks.
func (s *slab) chunk() {
	for size := uint8(largest); len(s.words) > 0 && s.next&(chunkSize-1) != 0 && size >= firstTable; size-- {
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
	s.live -= blockBytes(size)
	s.release(h, size)
}

func (s *slab) release(h uint32, size uint8) {
	w, _ := s.block(h, size)
	w[0] = uint64(s.free[size])
	s.free[size] = h + 1
}

// block returns the places of a block.
func (s *slab) block(h uint32, size uint8) ([]uint64, []marks) {
	switch size {
	case oneLine:
		b := &s.ones[h>>oneBits][h&(oneChunk-1)]
		return b.words[:], b.marks[:]
	case twoLines:
		b := &s.twos[h>>twoBits][h&(twoChunk-1)]
		return b.words[:], b.marks[:]
	}
	chunk, at := h>>chunkBits, h&(chunkSize-1)
	end := at + 1<<size
	return s.words[chunk][at:end:end], s.marks[chunk][at:end:end]
}

// bytes is what the blocks that are handed out take.
func (s *slab) bytes() uint64 { return s.live }
