package detect

import (
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Move is a partition of the flows whose state is shared out among another number of them.
type Move struct {
	From, FromCount int // the partition whose state it is, and of how many
	To, ToCount     int // the one that takes its part, and of how many
}

// MergeMoved joins of a slice what the flows of another partition will ask for: its sources,
// and all that is known beyond one source. A slice that MergeSlice would refuse is refused.
//
// Of an IPv6 address that is no suspect the state has a hash, which does not say where it
// belongs. So it goes to each partition in which it may: where it does not, no flow ever asks
// for it, and it is forgotten after a window. What may raise an alert is a suspect, has an
// address, and goes to one.
func (d *Detector) MergeMoved(b []byte, m Move) error {
	x, err := d.readOwnSlice(b)
	if err != nil {
		return err
	}
	x.places = 0 // it is of another size
	x.sources = slices.DeleteFunc(x.sources, func(s sourceState) bool { return !m.takes(s.key, s.suspect) })
	x.nets = slices.DeleteFunc(x.nets, func(n netState) bool { return !m.takes(n.key, nil) })
	x.beginnings = slices.DeleteFunc(x.beginnings, func(b beginningState) bool { return !m.takes(b.source, nil) })
	d.merge(x)
	return nil
}

// takes reports whether a source may belong to the partition.
func (m Move) takes(key uint64, s *suspect) bool {
	switch {
	case s != nil:
		return schema.Partition(s.addr, m.ToCount) == m.To
	case key&keyV6 == 0:
		return schema.Partition(v4Addr(uint32(key)), m.ToCount) == m.To
	}
	// What is left over by both numbers is left over by what divides both.
	both := divisor(m.FromCount, m.ToCount)
	return m.From%both == m.To%both
}

// divisor is the greatest that two numbers have in common.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// SliceInfo is what a slice says of itself.
type SliceInfo struct {
	Version, Part int
	Window        time.Duration
	Clock         schema.Time // of its flows
	Sources       int         // and /64s that are sources
	Open          int         // alerts
}

// DescribeSlice reads a slice as a whole, and says what is wrong with one that no Detector
// of its window could merge.
func DescribeSlice(b []byte) (SliceInfo, error) {
	x, err := readSlice(b)
	if err != nil {
		return SliceInfo{}, err
	}
	info := SliceInfo{
		Version: int(b[0]), Part: int(x.part), Window: time.Duration(x.window) * time.Second,
		Clock: x.clock, Sources: len(x.sources),
	}
	for i := range x.sources {
		if s := x.sources[i].suspect; s != nil {
			info.Open += len(s.scans)
		}
	}
	return info, nil
}
