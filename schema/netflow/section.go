package netflow

import (
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/packet"
)

// section is what a record says beside the first bytes of a packet (RFC 5477, sections 8.2 to 8.4; RFC 7133):
// ipHeaderPacketSection (313), dataLinkFrameSection (315), or Cisco's layer2packetSectionData (104).
type section struct {
	offset    uint64 // where in the packet it begins
	octets    uint64 // of it that are of the packet; the field may be longer
	short     bool   // octets was given
	frameSize uint64 // of the packet on the wire
	frameType uint64 // dataLinkFrameType: bit 0 Ethernet, bit 1 802.11; 0 if not said
}

func (s *section) set(k kind, v uint64) {
	switch k {
	case sectionOffset:
		s.offset = v
	case sectionOctets:
		s.octets, s.short = v, true
	case frameSize:
		s.frameSize = v
	case frameType:
		s.frameType = v
	}
}

// sections reads a set of records that have the beginning of a packet instead of addresses: a flow of
// that packet each, as those that sFlow samples.
func (d *Decoder) sections(flows []schema.Flow, t *template, v *view, b []byte, lacking int) []schema.Flow {
	d.begin(t, v)
	n := &d.stats.Records
	for len(b) >= t.size {
		ops, size := d.next(t, b)
		if size > len(b) {
			break
		}
		n.Seen++
		flows = append(flows, d.base)
		last := len(flows) - 1
		d.flow(flows[last:], t, v, d.padded(b, size), ops)
		switch d.sampledPacket(&flows[last], ops, b) {
		case packet.Found:
			n.Flows++
		case packet.Cut:
			n.Cut++
			flows = flows[:last]
		default:
			n.NoAddress++
			flows = flows[:last]
		}
		b = b[size:]
	}
	d.rest(t, b, lacking)
	return flows
}

// sampledPacket fills f from the first section of a record that can be read.
func (d *Decoder) sampledPacket(f *schema.Flow, ops []op, record []byte) packet.Verdict {
	s, best := &d.late.section, packet.NotIP
	for _, o := range ops {
		link := packet.IP
		switch {
		case o.kind == frameSection && s.frameType&^1 == 0:
			link = packet.Ethernet
		case o.kind != ipSection:
			continue
		}
		b := record[o.at : int(o.at)+int(o.n)]
		if s.short {
			b = b[:min(s.octets, uint64(len(b)))]
		}
		if s.offset != 0 { // the header is not in it
			b = nil
		}
		if best = max(best, d.packet.Read(f, link, b)); best == packet.Found {
			d.counted(f)
			break
		}
	}
	return best
}

// counted tells what the one packet of f was, where no counter says otherwise.
func (d *Decoder) counted(f *schema.Flow) {
	u := &f.Src.Untold
	if *u&schema.UntoldPackets != 0 {
		f.Src.Packets, *u = 1, *u&^schema.UntoldPackets
	}
	if size := max(d.late.section.frameSize, uint64(d.packet.Length())); *u&schema.UntoldBytes != 0 && size > 0 {
		f.Src.Bytes, *u = size, *u&^schema.UntoldBytes
	}
	if d.packet.Inner() { // these are of the outer packet
		f.Src.Mask, f.Dst.Mask, f.Src.AS, f.Dst.AS = 0, 0, 0, 0
	}
}
