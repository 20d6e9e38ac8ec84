//go:build linux

package live_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

// router is an exporter of NetFlow v9 that the test itself plays, from one
// socket: so every ingest that it sends to knows it as the same one.
type router struct {
	t        *testing.T
	conn     *net.UDPConn
	sequence uint32
	next     uint32 // makes the sources
	sent     map[netip.Addr]bool
}

func newRouter(t *testing.T) *router {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &router{t: t, conn: conn, sent: map[netip.Addr]bool{}}
}

// layout is a template: element and length of each field. Read along another
// layout, its records would have other sources.
type layout [][2]uint16

var layouts = []layout{
	{{8, 4}, {12, 4}, {7, 2}, {11, 2}, {4, 1}, {2, 4}, {1, 4}, {22, 4}, {21, 4}},
	{{21, 4}, {22, 4}, {4, 1}, {1, 8}, {2, 8}, {11, 2}, {7, 2}, {12, 4}, {8, 4}},
	{{12, 4}, {10, 2}, {8, 4}, {14, 2}, {2, 4}, {4, 1}, {1, 4}, {7, 2}, {11, 2}, {22, 4}, {21, 4}, {16, 4}},
}

const uptime = 3_600_000

// announce sends the template 256 with a layout.
func (r *router) announce(to netip.AddrPort, l layout) { r.send(to, r.template(l)) }

func (r *router) template(l layout) []byte {
	set := words(0, uint16(8+4*len(l)), 256, uint16(len(l)))
	for _, f := range l {
		set = append(set, words(f[0], f[1])...)
	}
	return set
}

// data sends n records of a layout, each from a source that was never sent before.
func (r *router) data(to netip.AddrPort, l layout, n int) { r.send(to, r.records(l, n)) }

func (r *router) records(l layout, n int) []byte {
	var body []byte
	for range n {
		r.next++
		source := netip.AddrFrom4([4]byte{100, 64, byte(r.next >> 8), byte(r.next)})
		r.sent[source] = true
		for _, f := range l {
			var b [8]byte
			binary.BigEndian.PutUint64(b[:], value(f[0], source))
			body = append(body, b[8-f[1]:]...)
		}
	}
	return append(words(256, uint16(4+len(body))), body...)
}

func value(element uint16, source netip.Addr) uint64 {
	four := source.As4()
	return map[uint16]uint64{
		8: uint64(binary.BigEndian.Uint32(four[:])), 12: 192<<24 | 2<<8 | 80, 7: 50_000, 11: 443, 4: 6, 2: 12, 1: 9_000,
		22: uptime - 1000, 21: uptime - 900,
	}[element]
}

// send puts sets into one datagram.
func (r *router) send(to netip.AddrPort, sets ...[]byte) {
	r.t.Helper()
	b := words(9, uint16(len(sets)))
	b = binary.BigEndian.AppendUint32(b, uptime)
	b = binary.BigEndian.AppendUint32(b, uint32(time.Now().Unix()))
	b = binary.BigEndian.AppendUint32(b, r.sequence)
	b = binary.BigEndian.AppendUint32(b, 7) // source id
	for _, set := range sets {
		b = append(b, set...)
	}
	r.sequence++
	if _, err := r.conn.WriteToUDPAddrPort(b, to); err != nil {
		r.t.Fatal(err)
	}
}

func words(all ...uint16) (b []byte) {
	for _, w := range all {
		b = binary.BigEndian.AppendUint16(b, w)
	}
	return b
}
