package detect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/scanhound/scanhound/schema"
)

// The state is written in Slices parts, so that no part takes long or is large:
// one for each segment of the table, with its sources, the /64s and as much
// of each fixed table, and one for what belongs to none. Merging the slices of a
// Detector into a new one gives the same future: the same flows raise the same
// alerts, to the byte, while memory is not short (what waits at the door is not kept).
// A segment keeps its order, because what the sweep finds first depends on it.
//
//	slice     version=1 part:u  window:u unit:u seconds  clock:s  body  sum:4
//	          sum is the low half of the XXH3 of all before it
//	body      part < 256: places:1 (1+log2, 0 none) list(source) list(/64) list(target) list(good) list(answering)
//	          part = 256: tick:s ticks:u hand:s,s opened:u list(exporter:addr)
//	source    flags:1 key:4 (IPv4) or 8  seen:ago
//	          without record: marks:1 contact:8
//	          with: oldest:2 since:u (0 none, 1+ago before seen) failed:set other:set [suspect]
//	  flags   0 record, 1 IPv6, 2 suspect
//	set       n<<1|odd:u  [odd: level:1 size:1]  n > 0: same:1 columns
//	  same    0 marks, 1 port, 2 address, 3 stamp: the column is one value, else n
//	  columns marks:1.. port:2.. address:4.. stamp:2..
//	suspect   addr closed:u list(name:addr)
//	          flags:1 (0 net, 1-3 evidence, 4-6 sketches by track)
//	          by track: [evidence] [sketches]; list(scan look:s) list(past)
//	evidence  flows packets bytes scaled:u  first last:s  offsets:s,s
//	          outcomes:u*8 orientations:u*5 flags:1*8,u*9 pace:u*6
//	          (port:2 count:u)*4 list(exporter:addr) sampling:u
//	sketches  mode:1 told:u  [mode > 0: host:4 port:2 class:1
//	          hosts ports pairs:distinct footprint
//	          failed:numbers*2 list(address:4 ms:4) next:s]
//	distinct  depth:1  0: list(hash:8 pane:2)
//	          else: a bit for each of 16384*depth cells, those taken:2.. dropped:s
//	footprint flags:1 (0 partial, 1 many, 2 coarse) since:s list(class:1 numbers)
//	          list(base:u numbers) [coarse length:1 base:u numbers] list(first:4) list(last:4)
//	numbers   n:1 gap:u..   or 129 and a bitmap of 8 KiB
//	scan      id:16 track:1 nth:u revision:u seen:u family:1 contact:8,1 horizon:s count:u
//	          threshold:u flags:1 (0 slow, 1 settled, 2 early) scope
//	          first last:s  said at:s pairs seen look again:u kind:text exporters:s
//	          footprint:1 (0 none, 1 and its own, 2 the track's)
//	          list(session: addr port:2 proto:text back:1)
//	  scope   all:1 list(host:4) list(port:2 class:1)
//	past      again:1 nth:u scope first last heard:s pause:s
//	          failed:list(host:4 second:4) touched:list(host:4 second:4)
//	          list(base:u failed:numbers touched:numbers) list(network:u) bits:s  alert: JSON behind its number:u
//	/64       key:8 (key:8 failed:u)*8 distinct:s failed:u seen:ago
//	target    key:8 served:ago failed:u (0 none, 1+ago) sources:u
//	good      gap:u tag:4 ago:u hours  (gaps between places; see goods)
//	answering host:4 seen:ago
//
// :u is a varint, :s a zigzag varint, :ago a varint of seconds before the clock, a
// number the big-endian bytes; list is how many:u and them, text and addr bytes
// behind their number:u.

// Slices is how many parts the state is written in.
const Slices = 1<<segmentBits + 1

const (
	sliceVersion = 1
	common       = 1 << segmentBits // the part of what belongs to no segment
	sumSize      = 4
)

// slice is one part outside of a Detector.
type slice struct {
	part      uint32
	window    uint32 // seconds
	unit      uint32 // seconds of a stamp
	clock     schema.Time
	places    uint8 // log2 of those of the segment, and 1; 0: none
	sources   []sourceState
	nets      []netState
	targets   []targetSlot
	goods     []goodState
	answering []answeringHost
	common    commonState
}

// AppendSlice appends part 0 to Slices-1 of the state to b.
func (d *Detector) AppendSlice(b []byte, part int) []byte {
	if part < 0 || part >= Slices {
		panic(fmt.Sprintf("BUG: slice %d of %d", part, Slices))
	}
	w := wire{b: append(b, sliceVersion)}
	x := slice{part: uint32(part), window: d.windowSeconds, unit: uint32(d.units.length / time.Second), clock: d.clock.now}
	w.head(&x)
	if part == common {
		c := d.commonState()
		w.common(&c)
	} else {
		d.writeSegment(&w, &x)
	}
	return binary.BigEndian.AppendUint32(w.b, uint32(xxh3.Hash(w.b[len(b):])))
}

// MergeSlice joins what AppendSlice wrote into the state. Sources, contacts and
// sketches are united; of what is no union, such as counts of flows, that stays
// which is further on. A slice that is not as it was written, or of another window,
// changes nothing.
func (d *Detector) MergeSlice(b []byte) error {
	x, err := readSlice(b)
	if err != nil {
		return fmt.Errorf("read slice of state: %w", err)
	}
	if have := time.Duration(x.window) * time.Second; x.window != d.windowSeconds || x.unit != uint32(d.units.length/time.Second) {
		return fmt.Errorf("merge slice %d of state: it has a window of %v, this is %v", x.part, have, d.cfg.Window)
	}
	d.merge(x)
	return nil
}

// readSlice takes a slice apart, and checks all that could hurt later.
func readSlice(b []byte) (*slice, error) {
	switch {
	case len(b) < 1+sumSize:
		return nil, errors.New("it ends early")
	case b[0] != sliceVersion:
		return nil, fmt.Errorf("version %d, this program knows %d", b[0], sliceVersion)
	}
	body, sum := b[:len(b)-sumSize], binary.BigEndian.Uint32(b[len(b)-sumSize:])
	if uint32(xxh3.Hash(body)) != sum {
		return nil, errors.New("its checksum is wrong")
	}
	x := new(slice)
	w := wire{b: body[1:], reading: true}
	w.head(x)
	if x.part == common {
		w.common(&x.common)
	} else {
		w.segment(x)
	}
	w.check(len(w.b) == 0, "bytes that belong to nothing")
	if w.err != nil {
		return nil, fmt.Errorf("part %d: %w", x.part, w.err)
	}
	return x, nil
}

func (w *wire) head(x *slice) {
	num(w, &x.part)
	num(w, &x.window)
	num(w, &x.unit)
	w.time(&x.clock)
	w.check(x.part < Slices, "a part that there is not")
	w.check(x.clock >= 0 && x.clock.Seconds() < 1<<32, "a clock that cannot be")
}

// second is the clock's.
func (x *slice) second() uint32 { return uint32(x.clock.Seconds()) }
