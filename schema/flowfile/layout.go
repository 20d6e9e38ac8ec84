package flowfile

import "encoding/binary"

// layout is what a template says of a record, reduced to where times stand:
//
//	record = *( skip bytes | one field of variable length | one time )
//
// Fields of fixed length that are no times are joined into one step.
type layout struct {
	steps    []step
	shortest int // bytes of a record
}

type step struct {
	kind stepKind
	size int // bytes; 0 for a variable length
}

// maxSteps is far beyond any template that was ever seen: those hold at most
// some 100 fields, and most of them are joined.
const maxSteps = 1024

type stepKind uint8

const (
	stepSkip stepKind = iota
	stepVariable
	stepSeconds      // 32 bits since 1970
	stepMilliseconds // 64 bits since 1970
	stepNTP          // 64 bits: 32 of seconds since 1900, 32 of their fraction
)

// variable is the length that stands in a template for "see the record" (RFC 7011 section 3.2).
const variable = 65535

// reverse is the enterprise of RFC 5103: the same elements, of the way back.
const reverse = 29305

// absolute says which elements are times of day, and in which of their forms
// (IANA "IPFIX Information Elements"; RFC 7011 section 6.1.7 ff.). Cisco's ASA
// puts them into v9 too. Those that count from the export time or from the
// exporter's start (21, 22, 158, 159) move with these.
func absolute(element uint16) stepKind {
	switch element {
	case 150, 151, // flowStart, flowEnd
		322: // observationTime
		return stepSeconds
	case 152, 153, 323,
		160, // systemInitTime, from which 21 and 22 count
		258: // collectionTime
		return stepMilliseconds
	case 154, 155, 324, // in microseconds
		156, 157, 325: // in nanoseconds
		return stepNTP
	}
	return stepSkip
}

// add appends a field. An absolute time of an unusual length is left alone.
func (l *layout) add(enterprise uint32, element uint16, size int) {
	if size == variable {
		l.steps = append(l.steps, step{stepVariable, 0})
		l.shortest++
		return
	}
	l.shortest += size
	kind := stepSkip
	if enterprise == 0 || enterprise == reverse {
		kind = absolute(element)
	}
	if kind == stepSeconds && size != 4 || kind != stepSeconds && size != 8 {
		kind = stepSkip
	}
	if last := len(l.steps) - 1; kind == stepSkip && last >= 0 && l.steps[last].kind == stepSkip {
		l.steps[last].size += size
		return
	}
	l.steps = append(l.steps, step{kind, size})
}

// shift moves the times in the records of a data set; what is too short for
// one more record is padding.
func (l layout) shift(b []byte, seconds int64) {
	for len(b) >= l.shortest && len(b) > 0 {
		for _, s := range l.steps {
			size := s.size
			if s.kind == stepVariable {
				if size = variableSize(b); size < 0 {
					return
				}
			}
			if size > len(b) {
				return
			}
			s.shift(b, seconds)
			b = b[size:]
		}
	}
}

func (s step) shift(b []byte, seconds int64) {
	switch s.kind {
	case stepSeconds:
		if binary.BigEndian.Uint32(b) != 0 {
			addSeconds(b, seconds)
		}
	case stepMilliseconds:
		if t := binary.BigEndian.Uint64(b); t != 0 {
			binary.BigEndian.PutUint64(b, t+uint64(seconds*1000))
		}
	case stepNTP:
		if binary.BigEndian.Uint64(b) != 0 {
			addSeconds(b, seconds)
		}
	}
}

// variableSize returns the bytes of a field of variable length with its length
// in front, negative if that is not all there (RFC 7011 section 7).
func variableSize(b []byte) int {
	switch {
	case len(b) == 0:
		return -1
	case b[0] < 255:
		return 1 + int(b[0])
	case len(b) < 3:
		return -1
	}
	return 3 + int(binary.BigEndian.Uint16(b[1:]))
}

// readTemplate reads a template record of v9 or IPFIX, whose form is one:
// id, count of fields, fields.
func readTemplate(version uint16, b []byte) (id uint16, l layout, rest []byte, err error) {
	id, count := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	rest, err = l.fields(version, b[4:], count)
	return id, l, rest, err
}

// readOptionsIPFIX reads id, count of all fields, count of scope fields, fields
// (RFC 7011 section 3.4.2.2). A withdrawal has no third number.
func readOptionsIPFIX(version uint16, b []byte) (id uint16, l layout, rest []byte, err error) {
	id, count := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	if count == 0 {
		return id, l, b[4:], nil
	}
	if len(b) < 6 {
		return id, l, nil, errTemplate
	}
	rest, err = l.fields(version, b[6:], count)
	return id, l, rest, err
}

// readOptionsV9 reads id, bytes of scope fields, bytes of option fields, fields
// (RFC 3954 section 6.1). A scope's type is no element, so it is no time.
func readOptionsV9(version uint16, b []byte) (id uint16, l layout, rest []byte, err error) {
	if len(b) < 6 {
		return 0, l, nil, errTemplate
	}
	id = binary.BigEndian.Uint16(b)
	scope, option := int(binary.BigEndian.Uint16(b[2:])), int(binary.BigEndian.Uint16(b[4:]))
	b = b[6:]
	if scope+option > len(b) {
		return id, l, nil, errTemplate
	}
	for at := 0; at+4 <= scope; at += 4 {
		l.add(^uint32(0), 0, int(binary.BigEndian.Uint16(b[at+2:])))
	}
	_, err = l.fields(version, b[scope:scope+option], option/4)
	return id, l, b[scope+option:], err
}

// fields reads count field specifiers.
func (l *layout) fields(version uint16, b []byte, count int) (rest []byte, err error) {
	for range count {
		if len(b) < 4 {
			return nil, errTemplate
		}
		element, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		enterprise := uint32(0)
		if version == ipfix && element&0x8000 != 0 {
			if len(b) < 4 {
				return nil, errTemplate
			}
			element &= 0x7fff
			enterprise = binary.BigEndian.Uint32(b)
			b = b[4:]
		}
		l.add(enterprise, element, size)
	}
	return b, nil
}
