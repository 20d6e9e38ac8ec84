package detect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/scanhound/scanhound/detect/internal/wire"
	"github.com/scanhound/scanhound/schema"
)

// The state is written in Slices parts, so that no part takes long or is large:
// one for each segment of the table, with its sources, the /64s and as much
// of each fixed table, and one for what belongs to none. Merging the slices of a
// Detector into a new one gives the same future: the same flows raise the same
// alerts, to the byte, while memory is not short (what waits at the door is not kept).
// A segment keeps its order, because what the sweep finds first depends on it.
//
//	slice     version part:u  window:u unit:u seconds  clock:s  round (2)  body  sum:4
//	          sum is the low half of the XXH3 of all before it
//	round     tick:s ticks:u hand:s,s opened:u, in version 1 before the exporters
//	body      part < 256: places:1 (1+log2, 0 none) list(source) list(/64)
//	                      list(outage) list(good) list(responder) list(visit) list(beginning) (2)
//	          part = 256: list(exporter:addr) list(view) began:s list(scaling) (2)
//
// :u is a varint, :s a zigzag varint, :ago a varint of seconds before the clock, a
// number the big-endian bytes; list is how many:u and them, text and addr bytes
// behind their number:u. The bytes of each thing are drawn beside it: source_wire.go,
// set_wire.go, net64.go, tables_wire.go, suspect_wire.go, evidence_wire.go, beginnings_wire.go,
// sketches_wire.go, footprint_wire.go, scan_wire.go, closed_wire.go, and in
// internal/sliding and internal/bits16. There it is joined, too, with another state of
// it; merge.go begins.

// Slices is how many parts the state is written in.
const Slices = 1<<segmentBits + 1

const (
	sliceVersion = 4
	common       = 1 << segmentBits // the part of what belongs to no segment
	sumSize      = 4
)

// slice is one part outside of a Detector.
type slice struct {
	part       uint32
	window     uint32 // seconds
	unit       uint32 // seconds of a stamp
	clock      schema.Time
	round      roundState
	places     uint8 // log2 of those of the segment, and 1; 0: none
	sources    []sourceState
	nets       []netState
	outages    []outageState
	knownGood  []goodState
	responders []responder
	visits     []visit
	beginnings []beginningState
	common     commonState
}

// roundState is where the rounds stand. It is in every part: whoever begins with any of
// them ticks and sweeps as the one before.
type roundState struct {
	lastTick schema.Time
	ticks    uint64
	hand     cursor
	opened   uint64
}

// commonState is what belongs to no segment.
type commonState struct {
	exporters []netip.Addr
	views     []viewState
	began     schema.Time
	scalings  []scalingState
}

// AppendSlice appends part 0 to Slices-1 of the state to b.
func (d *Detector) AppendSlice(b []byte, part int) []byte {
	if part < 0 || part >= Slices {
		panic(fmt.Sprintf("BUG: slice %d of %d", part, Slices))
	}
	w := wire.Writer(append(b, sliceVersion))
	x := slice{part: uint32(part), window: d.windowSeconds, unit: uint32(d.units.length / time.Second), clock: d.clock.now}
	x.round = roundState{lastTick: d.rounds.lastTick, ticks: uint64(d.rounds.ticks), hand: d.ledger.table.hand, opened: d.docket.opened}
	x.wireHead(w)
	if part == common {
		c := d.commonState()
		c.wire(w)
	} else {
		d.writeSegment(w, &x)
	}
	written := w.Bytes()
	return binary.BigEndian.AppendUint32(written, uint32(xxh3.Hash(written[len(b):])))
}

// MergeSlice joins what AppendSlice wrote into the state. Sources, contacts and
// sketches are united; of what is no union, such as counts of flows, that stays
// which is further on. A slice that is not as it was written, or of another window,
// changes nothing.
func (d *Detector) MergeSlice(b []byte) error {
	x, err := d.readOwnSlice(b)
	if err != nil {
		return err
	}
	d.merge(x)
	return nil
}

// CheckSlice says why MergeSlice would refuse what is to be a slice of that part.
func (d *Detector) CheckSlice(part int, b []byte) error {
	x, err := d.readOwnSlice(b)
	if err == nil && int(x.part) != part {
		err = fmt.Errorf("read slice of state: it is part %d, not %d", x.part, part)
	}
	return err
}

// Why a slice that is whole cannot be used.
var (
	ErrNewerSlice  = errors.New("it is of a newer version")
	ErrOtherWindow = errors.New("it is of another window")
)

// readOwnSlice reads a slice of a state that is made like this one.
func (d *Detector) readOwnSlice(b []byte) (*slice, error) {
	x, err := readSlice(b)
	if err != nil {
		return nil, fmt.Errorf("read slice of state: %w", err)
	}
	if have := time.Duration(x.window) * time.Second; x.window != d.windowSeconds || x.unit != uint32(d.units.length/time.Second) {
		return nil, fmt.Errorf("merge slice %d of state: %w: it has a window of %v, this is %v", x.part, ErrOtherWindow, have, d.cfg.Window)
	}
	return x, nil
}

// readSlice takes a slice apart, and checks all that could hurt later.
func readSlice(b []byte) (*slice, error) {
	switch {
	case len(b) < 1+sumSize:
		return nil, errors.New("it ends early")
	case b[0] == 0:
		return nil, errors.New("version 0: there is none")
	case b[0] > sliceVersion:
		return nil, fmt.Errorf("%w: version %d, this program knows %d", ErrNewerSlice, b[0], sliceVersion)
	}
	body, sum := b[:len(b)-sumSize], binary.BigEndian.Uint32(b[len(b)-sumSize:])
	if uint32(xxh3.Hash(body)) != sum {
		return nil, errors.New("its checksum is wrong")
	}
	x := new(slice)
	w := wire.Reader(body[1:])
	w.Version = b[0]
	x.wireHead(w)
	if x.part == common {
		x.common.wire(w)
	} else {
		x.readSegment(w)
	}
	w.Check(len(w.Bytes()) == 0, "bytes that belong to nothing")
	if w.Err() != nil {
		return nil, fmt.Errorf("part %d: %w", x.part, w.Err())
	}
	return x, nil
}

func (x *slice) wireHead(w *wire.Wire) {
	wire.Num(w, &x.part)
	wire.Num(w, &x.window)
	wire.Num(w, &x.unit)
	wire.Signed(w, &x.clock)
	w.Check(x.part < Slices, "a part that there is not")
	w.Check(x.clock >= 0 && x.clock.Seconds() < 1<<32, "a clock that cannot be")
	if w.Has(2) || x.part == common {
		x.round.wire(w)
	}
}

func (r *roundState) wire(w *wire.Wire) {
	wire.Signed(w, &r.lastTick)
	wire.Num(w, &r.ticks)
	wire.Signed(w, &r.hand.seg)
	wire.Signed(w, &r.hand.place)
	w.Check(r.hand.seg >= 0 && r.hand.seg < common && r.hand.place >= 0, "a sweep that is nowhere")
	wire.Num(w, &r.opened)
}

// second is the clock's.
func (x *slice) second() uint32 { return uint32(x.clock.Seconds()) }

func (d *Detector) writeSegment(w *wire.Wire, x *slice) {
	s := &d.ledger.table.segments[x.part]
	x.places = uint8(bits.Len(uint(len(s.slots))))
	w.U8(&x.places)
	n := s.used
	w.Count(&n, minSource, maxSources)
	// Behind a free slot nobody was pushed on by those at the end of the array: put
	// one by one into an empty one of this size, all come to lie where they are.
	first := 0
	for n > 0 && s.slots[first].key != 0 {
		first++
	}
	var room []contact
	if n > 0 {
		room = make([]contact, 2*maxContacts)
	}
	for i := range s.slots {
		if at := &s.slots[(first+i)&(len(s.slots)-1)]; at.key != 0 {
			of := d.sourceState(at, room)
			of.wire(w, x.second())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.ledger.nets.of[x.part])) {
		x.nets = append(x.nets, netState{key, *d.ledger.nets.of[x.part][key]})
	}
	x.wireNets(w)
	d.network.writeTables(w, x)
	x.beginnings = d.ledger.beginningStates(x.part)
	x.wireBeginnings(w)
}

// readSegment reads what writeSegment wrote.
func (x *slice) readSegment(w *wire.Wire) {
	w.U8(&x.places)
	w.Check(x.places <= 32, "a table larger than it can be")
	wire.List(w, &x.sources, minSource, maxSources, func(of *sourceState) {
		of.wire(w, x.second())
		seg, _ := home(of.key)
		w.Check(seg == uint64(x.part), "a source of another part")
	})
	x.wireNets(w)
	x.wireTables(w)
	if w.Has(2) {
		x.wireBeginnings(w)
	}
}

func (d *Detector) commonState() commonState {
	var c commonState
	c.exporters = slices.SortedFunc(maps.Keys(d.network.sendsFlags), netip.Addr.Compare)
	c.views, c.began, c.scalings = d.network.viewStates(), d.clock.began, d.network.scalingStates()
	return c
}

func (c *commonState) wire(w *wire.Wire) {
	wire.List(w, &c.exporters, 1, maxExportersKnown, w.Addr)
	if w.Has(2) {
		wire.List(w, &c.views, 10, maxExportersKnown, func(v *viewState) { v.wire(w) })
		wire.Signed(w, &c.began)
		wire.List(w, &c.scalings, 3, maxExportersKnown, func(s *scalingState) { s.wire(w) })
	}
}
