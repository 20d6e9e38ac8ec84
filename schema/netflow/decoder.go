package netflow

import (
	"encoding/binary"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

const (
	versionV5    = 5
	versionV9    = 9
	versionIPFIX = 10
)

// Decoder turns datagrams into flows. It belongs to one goroutine.
type Decoder struct {
	templates *Templates
	views     map[exporterKey]*view
	stats     Stats

	// Of the datagram.
	key     exporterKey
	current *view
	clock   clock
	base    schema.Flow // what its flows have in common
	outcome Outcome

	// Of the record.
	late late
	ops  []op   // of a template whose fields move
	tail []byte // a copy of the last record, with slack behind it
}

// NewDecoder returns a decoder that shares t with others. The bounds are those of t; cfg is here for
// what the decoder itself will have to bound.
func NewDecoder(t *Templates, _ Config) *Decoder {
	return &Decoder{templates: t, views: map[exporterKey]*view{}}
}

// Stats returns a copy of the counters.
func (d *Decoder) Stats() Stats { return d.stats }

// Decode appends the flows of a datagram to flows and says what became of it. It keeps neither.
// A v4-mapped from is the v4 address.
func (d *Decoder) Decode(flows []schema.Flow, from netip.Addr, received schema.Time, datagram []byte) ([]schema.Flow, Outcome) {
	b := datagram[:len(datagram):len(datagram)] // what is behind it may be another goroutine's
	d.outcome = Decoded
	d.base = schema.Flow{Received: received}
	d.base.Exporter.Addr = from.Unmap()
	if len(b) < 2 {
		d.worst(Short)
	} else {
		switch v := binary.BigEndian.Uint16(b); v {
		case versionV5:
			flows = d.v5(flows, b)
		case versionV9:
			flows = d.v9(flows, b)
		case versionIPFIX:
			flows = d.ipfix(flows, b)
		default:
			d.unknown(v, b)
		}
	}
	d.stats.Datagrams++
	d.stats.Outcomes[d.outcome]++
	return flows, d.outcome
}

// worst notes that the datagram met o; of several the worst is its outcome.
func (d *Decoder) worst(o Outcome) { d.outcome = max(d.outcome, o) }

// unknown counts what a datagram of another version probably is, so that who points the wrong
// exporter here can see it.
func (d *Decoder) unknown(version uint16, b []byte) {
	d.worst(UnknownVersion)
	n := &d.stats.Versions
	switch {
	case version == 0 && len(b) >= 4 && binary.BigEndian.Uint32(b) == 5:
		n.SFlow++
	case version == 1:
		n.V1++
	case version == 7:
		n.V7++
	case version == 8:
		n.V8++
	default:
		n.Other++
	}
}

// v9 reads the header:
//
//	0 version 2, count 2, uptime ms 4, seconds 4, sequence 4, source id 4
//
// The count is of records and of sets, as each vendor likes, and is not needed.
func (d *Decoder) v9(flows []schema.Flow, b []byte) []schema.Flow {
	const header = 20
	if len(b) < header {
		d.worst(Short)
		return flows
	}
	d.clock = clock{
		uptime: binary.BigEndian.Uint32(b[4:]),
		export: seconds(uint64(binary.BigEndian.Uint32(b[8:]))),
	}
	d.from(schema.NetFlowV9, versionV9, binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[16:]))
	return d.sets(flows, b[header:])
}

// ipfix reads the header:
//
//	0 version 2, length 2, export seconds 4, sequence 4, observation domain 4
//
// What follows the length, another message say, is counted and not read: RFC 7011 puts one message
// into a datagram.
func (d *Decoder) ipfix(flows []schema.Flow, b []byte) []schema.Flow {
	const header = 16
	if len(b) < header {
		d.worst(Short)
		return flows
	}
	switch length := int(binary.BigEndian.Uint16(b[2:])); {
	case length < header:
		d.worst(Malformed)
		return flows
	case length > len(b):
		d.worst(Truncated)
	default:
		d.stats.Trailing += uint64(len(b) - length)
		b = b[:length:length]
	}
	d.clock = clock{export: seconds(uint64(binary.BigEndian.Uint32(b[4:])))}
	d.from(schema.IPFIX, versionIPFIX, binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:]))
	return d.sets(flows, b[header:])
}

// from notes what the flows of this datagram have in common.
func (d *Decoder) from(t schema.FlowType, version uint16, sequence, domain uint32) {
	e := &d.base.Exporter
	e.Type, e.Sequence, e.Domain = t, sequence, domain
	d.key = exporterKey{e.Addr, version, domain}
}
