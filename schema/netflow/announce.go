package netflow

import "encoding/binary"

// templateSet reads the templates of a set, each:
//
//	id 2, field count 2, field specifiers
func (d *Decoder) templateSet(b []byte) {
	for len(b) >= 4 && !zero(b) {
		id, count := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if count == 0 && d.key.version == versionIPFIX {
			d.withdraw(id)
			b = b[4:]
			continue
		}
		n, ok := d.specifiers(b[4:], count)
		if !ok || id < firstData {
			d.refuse(id, count, faultOf(ok))
			return
		}
		d.announce(announcement{id: id, raw: b[4 : 4+n]})
		b = b[4+n:]
	}
}

// optionsSet reads the options templates of a set, each:
//
//	v9     id 2, bytes of scopes 2, bytes of options 2, scopes, options
//	IPFIX  id 2, field count 2, scope field count 2, field specifiers
func (d *Decoder) optionsSet(b []byte) {
	for len(b) >= 4 && !zero(b) {
		id, count := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if count == 0 && d.key.version == versionIPFIX {
			d.withdraw(id)
			b = b[4:]
			continue
		}
		if len(b) < 6 {
			d.refuse(id, count, CutHeader)
			return
		}
		scopes := int(binary.BigEndian.Uint16(b[4:]))
		if d.key.version == versionV9 {
			count, scopes = (count+scopes)/4, count/4
		}
		n, ok := d.specifiers(b[6:], count)
		if !ok || id < firstData {
			d.refuse(id, count, faultOf(ok))
			return
		}
		d.announce(announcement{id: id, options: true, scopes: scopes, raw: b[6 : 6+n]})
		b = b[6+n:]
	}
}

// specifiers returns how many bytes count field specifiers take.
func (d *Decoder) specifiers(b []byte, count int) (int, bool) {
	rest := b
	for range count {
		var ok bool
		if _, rest, ok = field(d.key.version, rest); !ok {
			return 0, false
		}
	}
	return len(b) - len(rest), true
}

// announce learns a template, or sees that it is known.
func (d *Decoder) announce(a announcement) {
	n, t := &d.stats.Templates, d.templates
	n.Seen++
	defer t.tell()
	if t.refresh(d.key, a, d.base.Received) {
		n.Refreshed++
		return
	}
	p, fault := compile(d.key.version, a.options, a.fields(d.key.version))
	if fault != Changed {
		// Reading records of no bytes never ends, and what is longer than a set is never read. The old template
		// of this id, if any, is not valid any more either, but whoever sends such a thing does not get to remove it.
		if fault == NoBytes {
			n.ZeroLength++
		} else {
			n.TooLong++
		}
		d.notices.add(d.key.notice(a.id, fault))
		d.worst(Malformed)
		return
	}
	t.hold(d, a, p)
	n.New++
}

// refuse gives up a template set: where the next template begins is not known.
func (d *Decoder) refuse(id uint16, fields int, fault Fault) {
	d.stats.Templates.Seen++
	d.stats.Templates.Malformed++
	d.worst(Malformed)
	n := d.key.notice(id, fault)
	n.Fields = fields
	d.notices.add(n)
}

// faultOf says why a template was refused whose fields were whole, or not.
func faultOf(whole bool) Fault {
	if whole {
		return LowID
	}
	return CutFields
}

func (d *Decoder) withdraw(id uint16) {
	d.stats.Templates.Withdrawn += d.templates.withdraw(d.key, id)
	d.templates.tell()
}
