package netflow

import "encoding/binary"

// Field is one field of a template as it was announced.
type Field struct {
	ID         uint16 // information element, without the enterprise bit; of a v9 scope, its kind
	Length     uint16 // in bytes; 65535 means that each record says it
	Enterprise uint32 // 0 is IANA
	Scope      bool   // it says of what an options record speaks
}

const (
	variable      = 0xffff // the length of a field that has its length before it
	enterpriseBit = 0x8000
)

// field takes one field specifier off b:
//
//	v9     type 2, length 2
//	IPFIX  enterprise bit and element 2, length 2, enterprise number 4 if the bit is set
func field(version uint16, b []byte) (f Field, rest []byte, ok bool) {
	if len(b) < 4 {
		return f, b, false
	}
	f.ID, f.Length = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	b = b[4:]
	if version == versionIPFIX && f.ID&enterpriseBit != 0 {
		if len(b) < 4 {
			return f, b, false
		}
		f.ID &^= enterpriseBit
		f.Enterprise = binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	return f, b, true
}

// announcement is one template as its bytes say it. Two with the same raw bytes and the same
// numbers are the same template.
type announcement struct {
	id      uint16
	options bool
	scopes  int    // how many of the fields are scope
	raw     []byte // the field specifiers; not ours to keep
}

// fields returns what a holds; it was checked when it was read.
func (a announcement) fields(version uint16) []Field {
	all := make([]Field, 0, len(a.raw)/4)
	for b := a.raw; len(b) > 0; {
		f, rest, ok := field(version, b)
		if !ok {
			break
		}
		f.Scope = len(all) < a.scopes
		all = append(all, f)
		b = rest
	}
	return all
}
