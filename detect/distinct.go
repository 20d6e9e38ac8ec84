package detect

import (
	"math"
	"slices"
	"time"

	"github.com/axiomhq/hyperloglog"

	"github.com/scanhound/scanhound/schema"
)

// distinct counts distinct hashes over the window, which slides: exactly up to
// fewHashes, with a HyperLogLog beyond whose registers remember when.
//
// Each register keeps up to depth pairs of rank and pane, newest first, without
// those that a newer and no lower rank makes irrelevant: the "list of future
// possible maxima" of Chabchoub and Hebrail, "Sliding HyperLogLog" (2010).
type distinct struct {
	few  []hashAt
	regs *registers
}

type hashAt struct {
	hash uint64
	pane uint16
}

type registers [1 << precision]register

// register holds rank<<10 | pane, newest first; 0 is empty, since a rank is at least 1.
type register [depth]uint16

const (
	fewHashes = 128
	precision = 14 // standard error 1.04/sqrt(2^14) = 0.81 %; 128 KiB of registers
	depth     = 4
	paneBits  = 10
	paneMask  = 1<<paneBits - 1
	windowMax = 512 // panes in a window: half of what can be told apart

	stderrShare = 1.04 / (1 << (precision / 2))
)

// paneLength is the resolution of a window: 5 min, or more so that the window
// has at most windowMax panes.
func paneLength(window time.Duration) time.Duration {
	return max(5*time.Minute, (window+windowMax-1)/windowMax)
}

func age(now, pane uint16) uint16 { return (now - pane) & paneMask }

// add counts hash as seen in pane; now is the pane of the clock, never before pane.
func (d *distinct) add(hash uint64, pane, now uint16) {
	if d.regs != nil {
		d.regs.add(hash, pane, now)
		return
	}
	for i := range d.few {
		if h := &d.few[i]; h.hash == hash {
			if age(now, pane) < age(now, h.pane) {
				h.pane = pane
			}
			return
		}
	}
	d.few = append(d.few, hashAt{hash, pane})
	if len(d.few) > fewHashes {
		d.few = slices.DeleteFunc(d.few, func(h hashAt) bool { return age(now, h.pane) > windowMax })
	}
	if len(d.few) > fewHashes {
		d.regs = new(registers)
		for _, h := range d.few {
			d.regs.add(h.hash, h.pane, now)
		}
		d.few = nil
	}
}

func (r *registers) add(hash uint64, pane, now uint16) {
	rank := uint16(1)
	for rest := hash << precision; rest>>63 == 0 && rank <= 64-precision; rest <<= 1 {
		rank++
	}
	r[hash>>(64-precision)].add(rank, pane&paneMask, now)
}

// add merges one observation; what it dominates goes, and so does it if it is dominated.
func (r *register) add(rank, pane, now uint16) {
	fresh := age(now, pane)
	var kept register
	n, placed := 0, false
	for _, e := range r {
		if e == 0 {
			break
		}
		eAge := age(now, e&paneMask)
		if eAge > windowMax {
			break // expired, and so is all behind it
		}
		if eAge <= fresh && e>>paneBits >= rank {
			return // already known as new and as high; nothing before it was changed
		}
		if !placed && fresh <= eAge {
			kept[n], placed = rank<<paneBits|pane, true
			if n++; n == depth {
				break
			}
		}
		if eAge >= fresh && e>>paneBits <= rank {
			continue
		}
		kept[n] = e
		if n++; n == depth {
			break
		}
	}
	if !placed && n < depth {
		kept[n] = rank<<paneBits | pane
	}
	*r = kept
}

// count returns the distinct hashes of the last panes panes. axiomhq's sketch
// does the estimating; it is fed hashes made to set each register to its rank,
// which takes about half a millisecond and so is done only for what is reported.
func (d *distinct) count(now, panes uint16) schema.Count {
	if d.regs == nil {
		n := uint64(0)
		for _, h := range d.few {
			if age(now, h.pane) <= panes {
				n++
			}
		}
		return schema.Count{Count: n, Exact: true}
	}
	sketch := hyperloglog.NewNoSparse()
	for i := range d.regs {
		if rank := d.regs[i].rank(now, panes); rank > 0 {
			sketch.InsertHash(hashOfRank(uint64(i), rank))
		}
	}
	n := sketch.Estimate()
	return schema.Count{Count: n, Stderr: math.Ceil(float64(n)*stderrShare*10) / 10}
}

// rank is the highest rank of the last panes panes.
func (r *register) rank(now, panes uint16) (highest uint16) {
	for _, e := range r {
		if e == 0 || age(now, e&paneMask) > panes {
			break
		}
		highest = max(highest, e>>paneBits)
	}
	return highest
}

// hashOfRank is a hash that belongs to register i and has this rank.
func hashOfRank(i uint64, rank uint16) uint64 {
	h := i << (64 - precision)
	if rank <= 64-precision {
		h |= 1 << (64 - precision - rank)
	}
	return h
}
