package flowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Rebaser shifts the clocks in datagrams, so that an old recording can be
// played as if it happened now. The zero value is ready. It knows the templates
// that passed it, so hand it every datagram of a recording, in order.
//
// What it shifts, in whole seconds because the headers of v9 and IPFIX count
// those, so that nothing moves against anything else:
//
//   - v5, v9, IPFIX: the export time in the header, and with it the times that
//     count from the exporter's start (FIRST_SWITCHED and the like);
//   - v9, IPFIX: the absolute times in records, see absolute. A time of 0 says
//     "not known" and stays.
//   - sFlow: nothing, it says no time of day.
//
// What it cannot read, a truncated set or a set without its template, stays as
// it is: the decoder will stumble over it at the same place.
type Rebaser struct {
	templates map[templateKey]layout
	unknown   uint64
}

// maxTemplates bounds the templates that are kept. A large router has a few
// dozen; one that sends ever new ones loses others, at random.
// With maxSteps of 16 bytes they take 64 MB at the very worst.
const maxTemplates = 1 << 12

type templateKey struct {
	from    netip.Addr
	domain  uint32
	version uint16
	id      uint16
}

// Set ids (RFC 3954 section 5, RFC 7011 section 3.3.2); data sets begin at 256.
const (
	setTemplateV9    = 0
	setOptionsV9     = 1
	setTemplateIPFIX = 2
	setOptionsIPFIX  = 3
	setData          = 256
)

// Rebase adds d, rounded down to whole seconds, to the clocks of a datagram in
// place. An error is a datagram that no exporter sent, and which is untouched.
func (r *Rebaser) Rebase(from netip.Addr, payload []byte, d time.Duration) error {
	if len(payload) < 4 {
		return fmt.Errorf("a datagram of %d bytes has no version", len(payload))
	}
	seconds := int64(d / time.Second)
	if d%time.Second < 0 {
		seconds--
	}
	version := binary.BigEndian.Uint16(payload)
	header := headerSize(version)
	switch {
	case len(payload) < header:
		return fmt.Errorf("a datagram of version %d has %d bytes, its header alone has %d", version, len(payload), header)
	case version == netflow5:
		addSeconds(payload[8:], seconds)
	case version == netflow9:
		addSeconds(payload[8:], seconds)
		r.sets(templateKey{from, binary.BigEndian.Uint32(payload[16:]), version, 0}, payload[headerV9:], seconds)
	case version == ipfix:
		addSeconds(payload[4:], seconds)
		r.sets(templateKey{from, binary.BigEndian.Uint32(payload[12:]), version, 0}, payload[headerIPFIX:], seconds)
	case binary.BigEndian.Uint32(payload) == sflow5:
	default:
		return fmt.Errorf("a datagram of version %d cannot be moved in time: known are NetFlow 5 and 9, IPFIX (10) and sFlow 5", version)
	}
	return nil
}

// Unknown returns how many data sets stayed as they were because their template
// had not passed. No decoder can read those either, unless it waits for the template.
func (r *Rebaser) Unknown() uint64 { return r.unknown }

// sets walks the sets of one message; key names all but the template.
func (r *Rebaser) sets(key templateKey, b []byte, seconds int64) {
	for len(b) >= 4 {
		id, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if size < 4 || size > len(b) {
			return
		}
		body := b[4:size]
		b = b[size:]
		switch {
		case key.version == netflow9 && id == setTemplateV9, key.version == ipfix && id == setTemplateIPFIX:
			r.learn(key, body, readTemplate)
		case key.version == netflow9 && id == setOptionsV9:
			r.learn(key, body, readOptionsV9)
		case key.version == ipfix && id == setOptionsIPFIX:
			r.learn(key, body, readOptionsIPFIX)
		case id >= setData:
			key.id = id
			if l, ok := r.templates[key]; ok {
				l.shift(body, seconds)
			} else {
				r.unknown++
			}
		}
	}
}

var errTemplate = errors.New("template runs past its set")

// learn keeps the templates of a set. read takes one from the set's rest, and
// returns its id, its fields and what follows.
func (r *Rebaser) learn(key templateKey, b []byte, read func(uint16, []byte) (uint16, layout, []byte, error)) {
	if r.templates == nil {
		r.templates = map[templateKey]layout{}
	}
	for len(b) >= 4 {
		var (
			l   layout
			err error
		)
		if key.id, l, b, err = read(key.version, b); err != nil {
			return
		}
		delete(r.templates, key)
		if key.id < setData || l.shortest == 0 || len(l.steps) > maxSteps { // withdrawn, padding, or hostile
			continue
		}
		if len(r.templates) >= maxTemplates {
			for other := range r.templates {
				delete(r.templates, other)
				break
			}
		}
		r.templates[key] = l
	}
}

// addSeconds adds to a count of seconds since 1970 or 1900; it wraps, as the
// exporter's own will.
func addSeconds(b []byte, seconds int64) {
	binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)+uint32(seconds))
}
