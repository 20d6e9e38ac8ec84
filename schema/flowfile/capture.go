package flowfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/scanhound/scanhound/schema"
)

// source is one of pcapgo's readers. They bound what a length in a file makes
// them allocate, and read on where a packet is longer than the snap length.
type source interface {
	ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

func isPcap(head []byte) bool {
	for _, magic := range []string{
		"\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", // microseconds
		"\xa1\xb2\x3c\x4d", "\x4d\x3c\xb2\xa1", // nanoseconds
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return false
}

func isPcapng(head []byte) bool { return bytes.HasPrefix(head, []byte("\n\r\r\n")) }

func readPcap(r *Reader, in *input, give func(Datagram) bool) error {
	src, err := pcapgo.NewReader(in.Reader)
	if err != nil {
		return fmt.Errorf("read %s as pcap: %w", in.name, in.reason(err))
	}
	// The upper bits of the link type tell the length of a frame check
	// sequence, which stands behind the IP packet and so does not matter.
	link := src.LinkType() & 0x0fff
	return readCapture(r, in, src, func(gopacket.CaptureInfo) layers.LinkType { return link }, give)
}

func readPcapng(r *Reader, in *input, give func(Datagram) bool) error {
	src, err := pcapgo.NewNgReader(in.Reader, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	if err != nil {
		return fmt.Errorf("read %s as pcapng: %w", in.name, in.reason(err))
	}
	link := func(ci gopacket.CaptureInfo) layers.LinkType { return ci.AncillaryData[0].(layers.LinkType) }
	return readCapture(r, in, src, link, give)
}

// readCapture hands on the datagrams of a capture. A record that cannot be read
// ends it: without its length nobody knows where the next one begins.
func readCapture(r *Reader, in *input, src source, link func(gopacket.CaptureInfo) layers.LinkType, give func(Datagram) bool) error {
	stats := &r.stats.Packets
	before := *stats
	var strange layers.LinkType
	for n := uint64(1); ; n++ {
		frame, ci, err := src.ZeroCopyReadPacketData()
		if err == io.EOF && !in.damaged() {
			break
		}
		stats.Read++
		if err != nil {
			stats.Broken++
			r.report(Problem{in.name, "packet", n, in.reason(err).Error() + "; the rest of the file is not read"})
			break
		}
		d := Datagram{Received: received(ci.Timestamp)}
		var fate outcome
		packet, ok := network(link(ci), frame)
		if fate = notIP; ok == known {
			fate = r.datagram(&d, packet, ci.CaptureLength < ci.Length)
		} else if ok == unknown {
			fate, strange = unknownLink, link(ci)
		}
		stats.count(fate)
		switch fate {
		case broken:
			r.report(Problem{in.name, "packet", n, "shorter than its own headers say"})
		case datagram:
			if !give(d) {
				return nil
			}
		}
	}
	if stats.Read > before.Read && stats.Datagrams == before.Datagrams {
		return noDatagram(in.name, before, *stats, strange)
	}
	return nil
}

// received is the time of a recording; pcapng's simple packets have none.
func received(t time.Time) schema.Time {
	if t.Year() < 1970 || t.Year() > 2261 { // what 64 bits of nanoseconds hold
		return 0
	}
	return schema.TimeOf(t)
}

// noDatagram says what a capture holds in which there is nothing to read. Most
// often somebody recorded the traffic itself.
func noDatagram(name string, before, after Packets, strange layers.LinkType) error {
	packets := after.Read - before.Read
	msg := fmt.Sprintf("%s: none of its %d packets is an exporter's datagram (NetFlow, IPFIX or sFlow in UDP)", name, packets)
	switch packets {
	case after.UnknownLink - before.UnknownLink:
		return fmt.Errorf("%s: its link type %d is not read; record on an Ethernet interface, or on \"any\"", msg, strange)
	case after.Truncated - before.Truncated:
		return errors.New(msg + ": all are cut short; record with tcpdump -s 0")
	case after.Broken - before.Broken:
		return errors.New(msg + ": it is damaged from its first packet on")
	case after.Fragments - before.Fragments:
		return errors.New(msg + ": all are fragments that lack another; record without a filter on the port, which fragments do not match")
	}
	return fmt.Errorf("%s; this looks like ordinary traffic: make flows of it first (softflowd -r %s -v 9 -n HOST:PORT) or record what an exporter sends (tcpdump -w FILE udp port 2055)", msg, name)
}
