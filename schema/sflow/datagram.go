package sflow

import (
	"encoding/binary"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// Version is the first number of a datagram, of 4 bytes.
const Version = 5

// Header is what stands before the samples.
type Header struct {
	Agent    netip.Addr // the exporter's own idea of its address; invalid if it has none
	SubAgent uint32
	Sequence uint32 // of datagrams of this sub-agent
	Uptime   uint32 // ms
}

// Fault is what is wrong with a datagram. The worse ones come later.
type Fault uint8

// The faults.
const (
	None      Fault = iota
	Empty           // no samples
	Truncated       // a length or a count says more than the bytes hold
	Malformed       // an address of no known family
	Short           // not even a header
)

// Decode appends a flow for each packet sampled to flows. Each is a copy of base with what the
// sample says; base must have what the datagram's flows have in common, Received before all. It keeps
// none of its arguments. A datagram, big endian:
//
//	0 version 4: 5
//	4 agent: family 4 (0 none, 1 IPv4, 2 IPv6), address 0, 4 or 16
//	  sub-agent 4, sequence 4, uptime ms 4, number of samples 4
//	  samples, each: kind 4, length 4, as many bytes
func Decode(flows []schema.Flow, base *schema.Flow, b []byte, s *Stats) ([]schema.Flow, Header, Fault) {
	var h Header
	if len(b) < 8 {
		return flows, h, Short
	}
	agent, rest, ok := address(b[4:])
	if !ok {
		return flows, h, Malformed
	}
	if len(rest) < 16 {
		return flows, h, Short
	}
	h = Header{Agent: agent, SubAgent: be(rest, 0), Sequence: be(rest, 4), Uptime: be(rest, 8)}
	count := be(rest, 12)
	rest = rest[16:]
	if count == 0 {
		return flows, h, Empty
	}
	one := *base
	e := &one.Exporter
	e.Type, e.Domain, e.Sequence = schema.SFlow5, h.SubAgent, h.Sequence
	one.Start, one.End = one.Received, one.Received
	one.Dst.Untold = schema.UntoldSent // a packet goes one way

	fault := None
	for ; count > 0; count-- {
		if len(rest) < 8 {
			return flows, h, Truncated
		}
		kind, length := be(rest, 0), int64(be(rest, 4))
		rest = rest[8:]
		if length > int64(len(rest)) {
			fault, length = Truncated, int64(len(rest))
		}
		flows = sample(flows, &one, kind, rest[:length:length], s)
		rest = rest[length:]
	}
	return flows, h, fault
}

// address takes an address off b: family 4, then as many bytes as it has.
func address(b []byte) (a netip.Addr, rest []byte, ok bool) {
	if len(b) < 4 {
		return a, nil, false
	}
	family, b := be(b, 0), b[4:]
	switch {
	case family == 0:
		return a, b, true
	case family == 1 && len(b) >= 4:
		return netip.AddrFrom4([4]byte(b)), b[4:], true
	case family == 2 && len(b) >= 16:
		return netip.AddrFrom16([16]byte(b)).Unmap(), b[16:], true
	}
	return a, nil, family == 1 || family == 2 // known, and not there: Short
}

func be(b []byte, at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
