package flowfile

import "github.com/scanhound/scanhound/schema"

// What no column tells is not zero. A line's flow begins with nothing told, and
// each column of a counter, of flags or of a port that has a value takes its
// mark away.

const untoldAll = schema.UntoldSent | schema.UntoldPort

// nothingTold is a flow of which nothing is told.
func nothingTold() schema.Flow {
	return schema.Flow{Src: schema.Side{Untold: untoldAll}, Dst: schema.Side{Untold: untoldAll}}
}

// telling is a setter whose column, where it has a value, tells one thing of a side.
func telling[R any](side func(*R) *schema.Side, bit schema.Untold, set func(*R, []byte) error) func(*R, []byte) error {
	return func(row *R, text []byte) error {
		if len(text) > 0 {
			side(row).Untold &^= bit
		}
		return set(row, text)
	}
}

// packetsOf, bytesOf and flagsOf are the setters of what a side sent.
func packetsOf[R any](side func(*R) *schema.Side) func(*R, []byte) error {
	return telling(side, schema.UntoldPackets, into(func(r *R) *uint64 { return &side(r).Packets }, parseCount))
}

func bytesOf[R any](side func(*R) *schema.Side) func(*R, []byte) error {
	return telling(side, schema.UntoldBytes, into(func(r *R) *uint64 { return &side(r).Bytes }, parseCount))
}

func flagsOf[R any](side func(*R) *schema.Side, parse func([]byte) (uint16, error)) func(*R, []byte) error {
	return telling(side, schema.UntoldFlags, into(func(r *R) *uint16 { return &side(r).TCPFlags }, parse))
}
