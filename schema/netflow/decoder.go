package netflow

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/packet"
	"github.com/scanhound/scanhound/schema/sflow"
)

const (
	versionV1    = 1
	versionV5    = 5
	versionV7    = 7
	versionV9    = 9
	versionIPFIX = 10
)

// Decoder turns datagrams into flows. It belongs to one goroutine.
type Decoder struct {
	templates *Templates
	views     map[sessionKey]*view
	stats     Stats

	// Of the datagram.
	key     sessionKey
	current *view
	clock   clock
	base    schema.Flow // what its flows have in common
	became

	// Of the record.
	late   late
	packet packet.Reader
	ops    []op   // of a template whose fields move
	tail   []byte // a copy of the last record, with slack behind it
	listed uint32 // records of this datagram that came out of others

	ready atomic.Bool // inbox holds something
	inbox []*missing  // templates that came and that data waits for; guarded by Templates.mu
}

// became is what became of a datagram.
type became struct {
	outcome Outcome
	header  Header
	notices Notices
}

// NewDecoder returns a decoder that shares t with others. The bounds are those of t; cfg is here for
// what each decoder does for itself.
func NewDecoder(t *Templates, cfg Config) *Decoder {
	return &Decoder{templates: t, views: map[sessionKey]*view{}}
}

// Stats returns a copy of the counters.
func (d *Decoder) Stats() Stats { return d.stats }

// Decode is [Decoder.DecodeFrom] where the exporter's port is not known.
func (d *Decoder) Decode(flows []schema.Flow, from netip.Addr, received schema.Time, datagram []byte) ([]schema.Flow, Outcome) {
	return d.DecodeFrom(flows, netip.AddrPortFrom(from, 0), received, datagram)
}

// DecodeFrom appends the flows of a datagram to flows, behind them those of earlier datagrams that
// waited for a template until now, and says what became of the datagram. It keeps neither.
// A v4-mapped from is the v4 address; a zone is left out.
func (d *Decoder) DecodeFrom(flows []schema.Flow, from netip.AddrPort, received schema.Time, datagram []byte) ([]schema.Flow, Outcome) {
	b := datagram[:len(datagram):len(datagram)] // what is behind it may be another goroutine's
	d.outcome = Decoded
	d.header = Header{}
	d.notices.reset()
	d.base = schema.Flow{Received: received}
	d.base.Exporter.Addr = from.Addr().Unmap().WithZone("")
	d.key = sessionKey{addr: d.base.Exporter.Addr, port: from.Port()}
	flows = d.datagram(flows, b)
	d.stats.Datagrams++
	d.stats.Outcomes[d.outcome]++
	return d.waited(flows, received), d.outcome
}

// Idle appends the flows of earlier datagrams whose template came from elsewhere ([Templates.Load],
// another decoder), and gives up what has waited too long. Call it now and then while nothing arrives.
func (d *Decoder) Idle(flows []schema.Flow, now schema.Time) []schema.Flow {
	d.templates.forget(now)
	return d.waited(flows, now)
}

func (d *Decoder) waited(flows []schema.Flow, now schema.Time) []schema.Flow {
	flows = d.came(flows)
	if d.templates.expire(now) {
		flows = d.came(flows)
	}
	return flows
}

// came appends the flows of data whose template came, or was lent.
func (d *Decoder) came(flows []schema.Flow) []schema.Flow {
	if d.ready.Load() {
		flows = d.release(flows)
	}
	return flows
}

// Finish appends the flows of data that still waits to see whether its own port announces the template that
// another one has: at the end of a recording there is nothing to wait for.
func (d *Decoder) Finish(flows []schema.Flow) []schema.Flow {
	d.templates.lendAll()
	return d.came(flows)
}

func (d *Decoder) datagram(flows []schema.Flow, b []byte) []schema.Flow {
	if len(b) < 2 {
		d.worst(Short)
		return flows
	}
	switch v := binary.BigEndian.Uint16(b); v {
	case versionV5:
		return d.v5(flows, b)
	case versionV9:
		return d.v9(flows, b)
	case versionIPFIX:
		return d.ipfix(flows, b)
	case versionV7:
		return d.v7(flows, b)
	case versionV1:
		return d.v1(flows, b)
	case 0:
		if len(b) >= 4 && binary.BigEndian.Uint32(b) == sflow.Version {
			return d.sflow(flows, b)
		}
		fallthrough
	default:
		d.unknown(v, b)
	}
	return flows
}

// worst notes that the datagram met o; of several the worst is its outcome.
func (d *Decoder) worst(o Outcome) { d.outcome = max(d.outcome, o) }

// unknown counts what a datagram of another version probably is, so that who points the wrong
// exporter here can see it.
func (d *Decoder) unknown(version uint16, b []byte) {
	d.worst(UnknownVersion)
	n := &d.stats.Versions
	switch {
	case version == 0 && len(b) >= 4 && (b[3] == 2 || b[3] == 4):
		n.SFlow++
	case version == 8:
		n.V8++
	default:
		n.Other++
	}
}

// sflow reads a datagram of sFlow: other headers, and packets instead of flows.
func (d *Decoder) sflow(flows []schema.Flow, b []byte) []schema.Flow {
	before := d.stats.SFlow.Packets
	flows, h, fault := sflow.Decode(flows, &d.base, b, &d.stats.SFlow)
	if fault != sflow.Short {
		d.header = Header{
			Type: schema.SFlow5, Version: sflow.Version, Domain: h.SubAgent, Agent: h.Agent, Sequence: h.Sequence, Units: 1,
			Uptime: time.Duration(h.Uptime) * time.Millisecond,
		}
	}
	d.worst([...]Outcome{sflow.None: Decoded, sflow.Empty: Empty, sflow.Truncated: Truncated, sflow.Malformed: Malformed, sflow.Short: Short}[fault])
	n, now := &d.stats.Records, d.stats.SFlow.Packets
	n.Seen += now.Seen - before.Seen
	n.Flows += now.Flows - before.Flows
	n.NoAddress += now.NotIP - before.NotIP
	n.Cut += now.Cut - before.Cut
	return flows
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
	if !v9Fits(b) {
		d.worst(Foreign)
		return flows
	}
	d.clock = clock{
		uptime: binary.BigEndian.Uint32(b[4:]),
		export: seconds(uint64(binary.BigEndian.Uint32(b[8:]))),
	}
	d.from(schema.NetFlowV9, versionV9, binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[16:]))
	d.say(versionV9, 1)
	flows, _ = d.sets(flows, b[header:])
	return flows
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
	if !ipfixFits(b) {
		d.worst(Foreign)
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
	d.say(versionIPFIX, 0)
	flows, d.header.Units = d.sets(flows, b[header:])
	return flows
}

// from notes what the flows of this datagram have in common.
func (d *Decoder) from(t schema.FlowType, version uint16, sequence, domain uint32) {
	e := &d.base.Exporter
	e.Type, e.Sequence, e.Domain = t, sequence, domain
	d.key.version, d.key.domain = version, domain
}
