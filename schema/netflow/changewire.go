package netflow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// A change is a key and a value, big endian. The key says whose it is, the value what it is now; no
// value means that it is gone. A reader refuses a format that it does not know.
//
//	key                             value of a template
//	 0 format 1: 1                   0 format 1: 1
//	 1 kind 1: 'T' template,         1 flags 1: bit 0 options
//	   'R' sampling rate             2 number of scope fields 2
//	 2 length of the address 1       4 announced 8, ns since 1970
//	 3 address 4 or 16              12 field specifiers as they were announced
//	   exporter's port 2, 0 if
//	   it does not tell             value of a sampling rate
//	   NetFlow version 2: 9, 10      0 format 1: 1
//	   domain 4                      1 rate 4: one packet in so many
//	'T': template id 2               5 exporter's start 8, ns since 1970; only of 0
//	'R': of 1: 0 the exporter,      13 said 8, ns since 1970
//	     1 sampler, 2 interface
//	     id 8
const (
	changeFormat = 1
	kindTemplate = 'T'
	kindRate     = 'R'
	flagOptions  = 1
)

// samplingKey is whose rate it is; the zero rateKey is the exporter itself.
type samplingKey struct {
	sessionKey
	rateKey
}

func (k sessionKey) append(b []byte, kind byte) []byte {
	addr := k.addr.AsSlice()
	b = append(b, changeFormat, kind, byte(len(addr)))
	b = append(b, addr...)
	b = binary.BigEndian.AppendUint16(b, k.port)
	b = binary.BigEndian.AppendUint16(b, k.version)
	return binary.BigEndian.AppendUint32(b, k.domain)
}

func (k templateKey) bytes() []byte {
	return binary.BigEndian.AppendUint16(k.append(nil, kindTemplate), k.id)
}

func (k samplingKey) bytes() []byte {
	return binary.BigEndian.AppendUint64(append(k.append(nil, kindRate), k.of), k.rateKey.id)
}

func (m *template) bytes() []byte {
	b := make([]byte, 0, 12+len(m.raw))
	var flags byte
	if m.options {
		flags |= flagOptions
	}
	b = append(b, changeFormat, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(m.scopes))
	b = binary.BigEndian.AppendUint64(b, uint64(m.when))
	return append(b, m.raw...)
}

func (r rate) bytes() []byte { return rateBytes(r.rate, 0, r.when) }

func (s *sampling) bytes() []byte { return rateBytes(s.rate, s.boot, s.when) }

func rateBytes(rate uint32, boot, when schema.Time) []byte {
	b := append(make([]byte, 0, 21), changeFormat)
	b = binary.BigEndian.AppendUint32(b, rate)
	b = binary.BigEndian.AppendUint64(b, uint64(boot))
	return binary.BigEndian.AppendUint64(b, uint64(when))
}

var (
	errFormat = errors.New("not of format 1")
	errLength = errors.New("wrong length")
	errTime   = errors.New("a time before 1970")
)

// parseKey takes the exporter off a key and returns its kind and the rest.
func parseKey(b []byte) (k sessionKey, kind byte, rest []byte, err error) {
	if len(b) < 3 {
		return k, 0, nil, errLength
	}
	kind = b[1]
	n := int(b[2])
	switch {
	case b[0] != changeFormat:
		return k, 0, nil, errFormat
	case n != 4 && n != 16, len(b) < 3+n+8:
		return k, 0, nil, errLength
	}
	addr, _ := netip.AddrFromSlice(b[3 : 3+n])
	if addr.Is4In6() {
		return k, 0, nil, errors.New("an IPv4 address of 16 bytes")
	}
	b = b[3+n:]
	k = sessionKey{addr, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:])}
	if k.version != versionV9 && k.version != versionIPFIX {
		return k, 0, nil, fmt.Errorf("version %d has no templates", k.version)
	}
	return k, kind, b[8:], nil
}

// parseTemplate reads the value of a template of this id.
func parseTemplate(version, id uint16, b []byte) (a announcement, when schema.Time, err error) {
	switch {
	case len(b) < 12 || len(b) > 12+0xffff:
		return a, 0, errLength
	case b[0] != changeFormat || b[1]&^flagOptions != 0:
		return a, 0, errFormat
	case id < firstData:
		return a, 0, fmt.Errorf("template id %d: they begin with 256", id)
	}
	a = announcement{id: id, options: b[1]&flagOptions != 0, scopes: int(binary.BigEndian.Uint16(b[2:])), raw: b[12:]}
	for rest := a.raw; len(rest) > 0; {
		var ok bool
		if _, rest, ok = field(version, rest); !ok {
			return a, 0, errors.New("it ends within a field")
		}
	}
	when = schema.Time(binary.BigEndian.Uint64(b[4:]))
	if when < 0 {
		return a, 0, errTime
	}
	return a, when, nil
}

// parseRate reads the value of a sampling rate.
func parseRate(b []byte) (s sampling, err error) {
	switch {
	case len(b) != 21:
		return s, errLength
	case b[0] != changeFormat:
		return s, errFormat
	}
	s = sampling{
		rate: binary.BigEndian.Uint32(b[1:]),
		boot: schema.Time(binary.BigEndian.Uint64(b[5:])),
		when: schema.Time(binary.BigEndian.Uint64(b[13:])),
	}
	if s.boot < 0 || s.when < 0 {
		return s, errTime
	}
	return s, nil
}
