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

// source is the packets of a capture, and the link type of the last.
type source interface {
	ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
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
	return readCapture(r, in, &joined{in: in.Reader, src: src}, give)
}

func readPcapng(r *Reader, in *input, give func(Datagram) bool) error {
	src, err := newPcapng(in.Reader)
	if err != nil {
		return fmt.Errorf("read %s as pcapng: %w", in.name, in.reason(err))
	}
	return readCapture(r, in, src, give)
}

// capture is what is read of one file.
type capture struct {
	r       *Reader
	in      *input
	before  Packets
	strange layers.LinkType // that is not read
	foreign uint16          // EtherType that is not read
}

// readCapture hands on the datagrams of a capture. A record that cannot be read
// ends it: without its length nobody knows where the next one begins.
func readCapture(r *Reader, in *input, src source, give func(Datagram) bool) error {
	c := capture{r: r, in: in, before: r.stats.Packets}
	stats := &r.stats.Packets
	var cut error
	n := uint64(1)
	for ; cut == nil; n++ {
		frame, ci, err := src.ZeroCopyReadPacketData()
		if err == io.EOF && !in.damaged() {
			break
		}
		stats.Read++
		if err != nil {
			stats.Broken++
			cut = in.reason(err)
			r.report(Problem{in.name, "packet", n, cut.Error() + "; the rest of the file is not read"})
			continue
		}
		d := Datagram{Received: received(ci.Timestamp)}
		fate := c.fate(&d, src.LinkType(), frame, ci)
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
	switch {
	case stats.Read > c.before.Read && stats.Datagrams == c.before.Datagrams:
		return c.noDatagram()
	case cut != nil:
		return fmt.Errorf("%s is read in part, up to packet %d: %w", in.name, n-1, cut)
	}
	return nil
}

// fate fills d from a frame, if there is a datagram in it.
func (c *capture) fate(d *Datagram, link layers.LinkType, frame []byte, ci gopacket.CaptureInfo) outcome {
	packet, etherType, verdict := network(link, frame)
	switch verdict {
	case known:
		return c.r.datagram(d, packet, ci.CaptureLength < ci.Length, maxTunnels)
	case unknown:
		c.strange = link
		return unknownLink
	}
	c.foreign = etherType
	return notIP
}

// etherName is the name of some behind which no IP packet is found.
func etherName(etherType uint16) string {
	switch etherType {
	case 0x0806:
		return " (ARP)"
	case 0x8863:
		return " (PPPoE discovery)"
	case 0x88e5:
		return " (MACsec)"
	case 0x88e7:
		return " (802.1ah)"
	case 0x894f:
		return " (NSH)"
	}
	return ""
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
func (c *capture) noDatagram() error {
	name, before, after := c.in.name, c.before, c.r.stats.Packets
	packets := after.Read - before.Read
	msg := fmt.Sprintf("%s: none of its %d packets is an exporter's datagram (NetFlow, IPFIX or sFlow in UDP)", name, packets)
	switch packets {
	case after.UnknownLink - before.UnknownLink:
		return fmt.Errorf("%s: its link type %d is not read; record on an Ethernet interface, or on \"any\"", msg, c.strange)
	case after.NotIP - before.NotIP:
		return fmt.Errorf("%s: none is of IP; the last has the EtherType %#04x%s, which is not read", msg, c.foreign, etherName(c.foreign))
	case after.Truncated - before.Truncated:
		return errors.New(msg + ": all are cut short; record with tcpdump -s 0")
	case after.Broken - before.Broken:
		return errors.New(msg + ": it is damaged from its first packet on")
	case after.Fragments - before.Fragments:
		return errors.New(msg + ": all are fragments that lack another; record without a filter on the port, which fragments do not match")
	}
	return fmt.Errorf("%s; this looks like ordinary traffic: make flows of it first (softflowd -a -r %s -v 9 -n 127.0.0.1:2055, while tcpdump -i lo -w FILE udp port 2055 records) or record what an exporter sends (tcpdump -w FILE udp port 2055)", msg, name)
}
