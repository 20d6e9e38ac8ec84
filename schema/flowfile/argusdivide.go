package flowfile

import (
	"bytes"

	"github.com/scanhound/scanhound/schema"
)

// divide gives each side its part of the totals, as far as no column tells it.
func (r *argusRow) divide(towards, back bool) {
	both := r.bothSent(towards && back)
	alone := back && !towards // Dst's are all
	share := func(bit schema.Untold, total uint64, src, dst *uint64, guess func() uint64) {
		told := func(s *schema.Side) bool { return s.Untold&bit == 0 }
		switch {
		case total == 0:
			return
		case told(&r.Src) && told(&r.Dst):
			return
		case told(&r.Src):
			*dst = total - min(total, *src)
		case told(&r.Dst):
			*src = total - min(total, *dst)
		case both:
			*dst = guess()
			*src = total - *dst
		case alone:
			*dst = total
		default:
			*src = total
		}
		r.Src.Untold &^= bit
		r.Dst.Untold &^= bit
	}
	counted := (r.Src.Untold&r.Dst.Untold)&schema.UntoldBytes == 0 // whose the bytes are
	share(schema.UntoldBytes, r.bytes, &r.Src.Bytes, &r.Dst.Bytes, func() uint64 { return r.bytes / 2 })
	if counted {
		both, alone = r.Src.Bytes > 0 && r.Dst.Bytes > 0, r.Src.Bytes == 0 && r.Dst.Bytes > 0
	}
	share(schema.UntoldPackets, r.packets, &r.Src.Packets, &r.Dst.Packets, func() uint64 {
		part := float64(r.Dst.Bytes) / max(float64(r.Src.Bytes)+float64(r.Dst.Bytes), 1)
		n := uint64(float64(r.packets)*part + 0.5)
		return min(max(n, 1), max(r.packets, 1)-1)
	})
}

// bothSent reports whether the State tells of an answer, or an arrow that points
// both ways: that of TCP says who began.
func (r *argusRow) bothSent(arrow bool) bool {
	if left, right, ok := bytes.Cut(r.state, []byte("_")); ok {
		return len(left) > 0 && len(right) > 0
	}
	switch string(r.state) {
	case "CON", "EST", "FIN", "CLO", "ACC":
		return true
	case "RST":
		return r.packets > 1
	}
	return arrow && r.Proto != schema.TCP
}
