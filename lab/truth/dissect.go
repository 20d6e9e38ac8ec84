package main

import (
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// packet is what one packet means to either end: its sender probes a target, or a target answers
// its receiver. For TCP and UDP it is both, since either end may be the one that asked.
type packet struct {
	from, to netip.Addr
	probes   target
	answers  target
	says     outcome
}

func dissect(p gopacket.Packet) packet {
	ip, ok := p.NetworkLayer().(*layers.IPv4)
	if !ok {
		return packet{}
	}
	from, _ := netip.AddrFromSlice(ip.SrcIP)
	to, _ := netip.AddrFromSlice(ip.DstIP)
	d := packet{from: from, to: to}
	if tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP); ok {
		d.probes = target{to, uint16(tcp.DstPort), "tcp"}
		d.answers = target{from, uint16(tcp.SrcPort), "tcp"}
		switch {
		case tcp.SYN && tcp.ACK:
			d.says = open
		case tcp.RST:
			d.says = closed
		}
	} else if udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
		d.probes = target{to, uint16(udp.DstPort), "udp"}
		d.answers = target{from, uint16(udp.SrcPort), "udp"}
		d.says = open
	} else if icmp, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
		d.icmp(icmp)
	}
	return d
}

func (d *packet) icmp(icmp *layers.ICMPv4) {
	switch icmp.TypeCode.Type() {
	case layers.ICMPv4TypeEchoRequest:
		d.probes = target{d.to, 0, "icmp"}
	case layers.ICMPv4TypeEchoReply:
		d.answers, d.says = target{d.from, 0, "icmp"}, open
	case layers.ICMPv4TypeDestinationUnreachable:
		// It quotes the packet that it refuses.
		quoted := gopacket.NewPacket(icmp.Payload, layers.LayerTypeIPv4, gopacket.NoCopy)
		d.answers, d.says = dissect(quoted).probes, closed
	}
}
