package netflow

import (
	"encoding/binary"

	"github.com/scanhound/scanhound/schema"
)

// The ids of sets that hold templates; data sets have the id of their template, 256 and above.
const (
	setTemplateV9    = 0
	setOptionsV9     = 1
	setTemplateIPFIX = 2
	setOptionsIPFIX  = 3
	firstData        = 256
)

const (
	setHeader = 4                  // id 2, length 2 with the header
	maxSet    = 0xffff - setHeader // bytes of records, as its length says them
)

// sets reads the sets of a v9 or IPFIX datagram, in their order: a template serves the data behind it.
// It returns how many data records there were, of flows or not.
func (d *Decoder) sets(flows []schema.Flow, b []byte) (_ []schema.Flow, units uint32) {
	before := d.stats.Records
	d.listed = 0
	if zero(b) {
		d.worst(Empty)
	}
	for !zero(b) { // some exporters fill the datagram up with zeros (PAN-OS: 1,220 bytes)
		d.stats.Sets.Seen++
		length := 0
		if len(b) >= setHeader {
			length = int(binary.BigEndian.Uint16(b[2:]))
		}
		if length < setHeader {
			d.stats.Sets.Malformed++
			d.notices.add(d.key.notice(first16(b), ShortSet))
			d.worst(Malformed)
			break
		}
		if length > len(b) {
			d.stats.Sets.Truncated++
			d.worst(Truncated)
		}
		held := min(length, len(b))
		flows = d.set(flows, binary.BigEndian.Uint16(b), b[setHeader:held], length-held)
		b = b[held:]
	}
	n := &d.stats.Records
	units = uint32(n.Seen-before.Seen) - d.listed
	d.header.Records = units - uint32(n.Options-before.Options)
	d.header.Open = d.outcome >= NoTemplate
	if v := d.view(); v != nil && v.own != nil {
		d.header.Port = d.key.port
	}
	return flows, units
}

// set reads one set, of which the datagram lacks the last `lacking` bytes.
func (d *Decoder) set(flows []schema.Flow, id uint16, b []byte, lacking int) []schema.Flow {
	switch {
	case id >= firstData:
		return d.data(flows, id, b, lacking)
	case id == setTemplateV9 && d.key.version == versionV9, id == setTemplateIPFIX && d.key.version == versionIPFIX:
		d.stats.Sets.Template++
		d.templateSet(b)
	case id == setOptionsV9 && d.key.version == versionV9, id == setOptionsIPFIX && d.key.version == versionIPFIX:
		d.stats.Sets.Template++
		d.optionsSet(b)
	default:
		d.stats.Sets.Reserved++
	}
	return flows
}

// first16 is the number that b begins with, 0 if it is too short for one.
func first16(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

// zero reports whether b is padding, or nothing.
func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
