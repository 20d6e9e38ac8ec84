package netflow

import "encoding/binary"

// next returns what to do with the record that b begins with, and its length. A length above len(b)
// means that the record runs past the end of the set.
func (d *Decoder) next(t *template, b []byte) ([]op, int) {
	if t.steps == nil {
		return t.ops, t.size
	}
	d.ops = d.ops[:0]
	at := 0
	for _, s := range t.steps {
		n := int(s.length)
		if s.length == variable {
			n, at = varlen(b, at)
		}
		if n > len(b)-at {
			return nil, len(b) + 1
		}
		if s.kind != skip && s.tells(b[at:at+n]) {
			d.ops = append(d.ops, place(s.kind, at, n))
		}
		at += n
	}
	return d.ops, at
}

// varlen reads the length of a field (RFC 7011, section 7) and returns it and where the field begins:
// one byte below 255, or 255 and two bytes. A length that is not there is one past the end.
func varlen(b []byte, at int) (n, begin int) {
	if at >= len(b) {
		return 1, len(b)
	}
	if b[at] < 255 {
		return int(b[at]), at + 1
	}
	if at+3 > len(b) {
		return 1, len(b)
	}
	return int(binary.BigEndian.Uint16(b[at+1:])), at + 3
}

// tells reports whether a value can be taken: it has a length, the right one for an address, and
// where the same was said before, of the outer header, it is more than zeros.
func (s step) tells(value []byte) bool {
	if size := s.kind.size(); len(value) == 0 || size != 0 && size != len(value) {
		return false
	}
	return !s.again || !zero(value)
}
