package main

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// v5 builds a NetFlow v5 datagram.
type v5 struct {
	b []byte
	n uint16
}

type v5record struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	packets, bytes   uint32
	flags            uint8
}

// uptime is how long the exporter has run at the time of export: flows are of
// its last second.
const uptime = 3_600_000

func newV5(at time.Time) *v5 {
	b := make([]byte, 24, 24+30*48)
	binary.BigEndian.PutUint16(b[0:], 5)
	binary.BigEndian.PutUint32(b[4:], uptime)
	binary.BigEndian.PutUint32(b[8:], uint32(at.Unix()))
	return &v5{b: b}
}

func (d *v5) add(r v5record) {
	var b [48]byte
	src, dst := r.src.As4(), r.dst.As4()
	copy(b[0:], src[:])
	copy(b[4:], dst[:])
	binary.BigEndian.PutUint32(b[16:], r.packets)
	binary.BigEndian.PutUint32(b[20:], r.bytes)
	binary.BigEndian.PutUint32(b[24:], uptime-1000)
	binary.BigEndian.PutUint32(b[28:], uptime-900)
	binary.BigEndian.PutUint16(b[32:], r.srcPort)
	binary.BigEndian.PutUint16(b[34:], r.dstPort)
	b[37], b[38] = r.flags, 6
	d.b = append(d.b, b[:]...)
	d.n++
}

func (d *v5) bytes() []byte {
	binary.BigEndian.PutUint16(d.b[2:], d.n)
	return d.b
}
