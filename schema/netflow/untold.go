package netflow

import (
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// untold is what the records of a template, or of a version, cannot say of either side.
type untold struct{ src, dst schema.Untold }

// untoldV5 is that of v1, v5 and v7, whose records are of one direction.
var untoldV5 = untold{dst: schema.UntoldSent}

// untoldBy returns what a template with these kinds does not tell.
func untoldBy(meant []kind) (u untold) {
	lacks := func(bit schema.Untold, ks ...kind) schema.Untold {
		if slices.ContainsFunc(ks, func(k kind) bool { return slices.Contains(meant, k) }) {
			return 0
		}
		return bit
	}
	u.src = lacks(schema.UntoldPackets, srcPackets) | lacks(schema.UntoldBytes, srcBytes) |
		lacks(schema.UntoldFlags, srcFlags, srcFlagsToo) | lacks(schema.UntoldPort, srcPort, srcPortToo)
	u.dst = lacks(schema.UntoldPackets, dstPackets) | lacks(schema.UntoldBytes, dstBytes) |
		lacks(schema.UntoldFlags, dstFlags, dstFlagsToo) | lacks(schema.UntoldPort, dstPort, dstPortToo)
	return u
}

// say notes it in what a datagram's flows have in common.
func (u untold) say(base *schema.Flow) { base.Src.Untold, base.Dst.Untold = u.src, u.dst }

// nowhere notes that f has no ports: 0 on both sides is what exporters write for a later fragment of
// an IP datagram, and for a host pair. Port 0 is reserved (RFC 6335, section 6).
func nowhere(f *schema.Flow) {
	f.Src.Untold |= schema.UntoldPort
	f.Dst.Untold |= schema.UntoldPort
}
