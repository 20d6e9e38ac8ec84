package sflow

import (
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/packet"
)

// The kinds of sample: enterprise 20 bits, format 12 bits. Those below are of enterprise 0.
const (
	kindFlow            = 1
	kindCounter         = 2
	kindExpandedFlow    = 3
	kindExpandedCounter = 4
	kindDiscard         = 5 // sFlow Dropped Packet Notification Structures
)

// dropped is the forwardingStatus (IPFIX element 89) "dropped, unknown": sFlow's reasons have other
// numbers.
const dropped = 2 << 6

// sample reads one sample, a copy of base being the flow that it may give.
func sample(flows []schema.Flow, base *schema.Flow, kind uint32, b []byte, s *Stats) []schema.Flow {
	s.Samples.Seen++
	var head func(f *schema.Flow, b []byte) []byte
	switch kind {
	case kindFlow:
		s.Samples.Flow++
		head = flow
	case kindExpandedFlow:
		s.Samples.Flow++
		head = expanded
	case kindDiscard:
		s.Samples.Discard++
		head = discard
	case kindCounter, kindExpandedCounter:
		s.Samples.Counter++
		return flows
	default:
		s.Samples.Other++
		return flows
	}
	s.Packets.Seen++
	n := len(flows)
	flows = append(flows, *base)
	switch f := &flows[n]; records(f, head(f, b)) {
	case packet.Found:
		s.Packets.Flows++
		return flows
	case packet.NotIP:
		s.Packets.NotIP++
	default:
		s.Packets.Cut++
	}
	return flows[:n]
}

// flow reads what stands before the records of a flow sample and returns them, nil if b is too short:
//
//	sequence 4, source 4, rate 4, pool 4, drops 4, input 4, output 4, number of records 4
//
// An interface has its format in the upper 2 bits: 0 an interface, 1 dropped, 2 several.
func flow(f *schema.Flow, b []byte) []byte {
	const size = 32
	if len(b) < size {
		return nil
	}
	f.Exporter.Sampling = be(b, 8)
	input, output := be(b, 20), be(b, 24)
	interfaces(f, input>>30, input&internal, output>>30, output&internal)
	return b[size:]
}

// expanded is flow where interfaces need more than 30 bits:
//
//	sequence 4, source 8, rate 4, pool 4, drops 4, input 8, output 8, number of records 4
func expanded(f *schema.Flow, b []byte) []byte {
	const size = 44
	if len(b) < size {
		return nil
	}
	f.Exporter.Sampling = be(b, 12)
	interfaces(f, be(b, 24), be(b, 28), be(b, 32), be(b, 36))
	return b[size:]
}

// discard is flow for a packet that was dropped; every one is told, as far as a limit allows:
//
//	sequence 4, source 8, drops 4, input 4, output 4, reason 4, number of records 4
func discard(f *schema.Flow, b []byte) []byte {
	const size = 32
	if len(b) < size {
		return nil
	}
	interfaces(f, 0, be(b, 16), 0, be(b, 20))
	f.Forward = dropped
	return b[size:]
}

// internal is the interface of what the exporter itself sent or got.
const internal = 1<<30 - 1

func interfaces(f *schema.Flow, inFormat, in, outFormat, out uint32) {
	if inFormat == 0 && in != internal {
		f.Src.Interface = in
	}
	switch {
	case outFormat == 0 && out != internal:
		f.Dst.Interface = out
	case outFormat == 1:
		f.Forward = dropped
	}
}
