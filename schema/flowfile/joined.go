package flowfile

import (
	"bufio"
	"bytes"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// joined is a pcap, and those that somebody joined to it with cat: where a record
// should begin stands the header of a capture, whose magic would be a second in
// 2055, or in 1997 and 1975 of the other orders.
type joined struct {
	in  *bufio.Reader
	src *pcapgo.Reader
	ng  *ngSource // once one of that kind was joined
}

// Lengths of a capture's header, by which it is told from a record.
const (
	pcapHeader   = 24
	pcapngHeader = 12 // up to the byte order
)

// ZeroCopyReadPacketData returns the next packet. pcapgo bounds what a length in a
// file makes it allocate, and reads on where a packet is longer than the snap
// length. It reads from in itself, which is large enough for it, so that what
// comes next can be looked at.
func (j *joined) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	for j.ng == nil {
		if head, _ := j.in.Peek(4); isPcapng(head) {
			if head, _ = j.in.Peek(pcapngHeader); isSection(head) {
				ng, err := newPcapng(j.in)
				if err != nil {
					return nil, gopacket.CaptureInfo{}, err
				}
				j.ng = ng
				break
			}
		} else if isPcap(head) {
			if head, _ = j.in.Peek(pcapHeader); isHeader(head) {
				src, err := pcapgo.NewReader(j.in)
				if err != nil {
					return nil, gopacket.CaptureInfo{}, err
				}
				j.src = src
				continue // an empty one may stand before another
			}
		}
		return j.src.ZeroCopyReadPacketData()
	}
	return j.ng.ZeroCopyReadPacketData()
}

// LinkType is that of the last packet.
func (j *joined) LinkType() layers.LinkType {
	if j.ng != nil {
		return j.ng.LinkType()
	}
	// The upper bits of the link type tell the length of a frame check
	// sequence, which stands behind the IP packet and so does not matter.
	return j.src.LinkType() & 0x0fff
}

// isHeader reports whether a magic has the version 2.4 behind it.
func isHeader(head []byte) bool {
	return len(head) == pcapHeader && (bytes.Equal(head[4:8], []byte{2, 0, 4, 0}) || bytes.Equal(head[4:8], []byte{0, 2, 0, 4}))
}

// isSection reports whether a section header has a byte order in it.
func isSection(head []byte) bool {
	return len(head) == pcapngHeader && (bytes.Equal(head[8:], []byte("\x1a\x2b\x3c\x4d")) || bytes.Equal(head[8:], []byte("\x4d\x3c\x2b\x1a")))
}

// ngSource is a capture of that kind, whose interfaces have link types of their own.
type ngSource struct {
	*pcapgo.NgReader
	link layers.LinkType
}

func newPcapng(in *bufio.Reader) (*ngSource, error) {
	src, err := pcapgo.NewNgReader(in, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	return &ngSource{NgReader: src}, err
}

// ZeroCopyReadPacketData returns the next packet.
func (p *ngSource) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	frame, ci, err := p.NgReader.ZeroCopyReadPacketData()
	if err == nil {
		p.link = ci.AncillaryData[0].(layers.LinkType)
	}
	return frame, ci, err
}

// LinkType is that of the last packet.
func (p *ngSource) LinkType() layers.LinkType { return p.link }
