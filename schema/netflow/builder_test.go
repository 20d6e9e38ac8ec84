package netflow_test

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

var be = binary.BigEndian

var (
	exporterA = netip.MustParseAddr("192.0.2.1")
	exporterB = netip.MustParseAddr("192.0.2.2")
	arrived   = schema.TimeOf(time.Date(2026, 9, 1, 12, 0, 1, 0, time.UTC))
	exported  = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
)

const uptime = 3_600_000 // of the exporters here, in ms

// fld is a field specifier and, in records, its value.
type fld struct {
	id, length uint16
	pen        uint32
}

func f(id, length uint16) fld { return fld{id: id, length: length} }

// cat concatenates.
func cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func u8(v uint8) []byte   { return []byte{v} }
func u16(v uint16) []byte { return be.AppendUint16(nil, v) }
func u32(v uint32) []byte { return be.AppendUint32(nil, v) }
func u64(v uint64) []byte { return be.AppendUint64(nil, v) }
func ip(s string) []byte  { return netip.MustParseAddr(s).AsSlice() }

// set is one set of v9 or IPFIX.
func set(id uint16, parts ...[]byte) []byte {
	body := cat(parts...)
	return cat(u16(id), u16(uint16(4+len(body))), body)
}

func specifiers(fields []fld) []byte {
	var b []byte
	for _, f := range fields {
		if f.pen != 0 {
			b = cat(b, u16(f.id|0x8000), u16(f.length), u32(f.pen))
			continue
		}
		b = cat(b, u16(f.id), u16(f.length))
	}
	return b
}

func template(id uint16, fields ...fld) []byte {
	return cat(u16(id), u16(uint16(len(fields))), specifiers(fields))
}

func v9(domain uint32, sets ...[]byte) []byte {
	return cat(u16(9), u16(uint16(len(sets))), u32(uptime), u32(uint32(exported.Unix())), u32(7), u32(domain), cat(sets...))
}

func ipfix(domain uint32, sets ...[]byte) []byte {
	body := cat(sets...)
	return cat(u16(10), u16(uint16(16+len(body))), u32(uint32(exported.Unix())), u32(7), u32(domain), body)
}

// v5 has the given count in its header, whatever it holds.
func v5(count uint16, records ...[]byte) []byte {
	return cat(u16(5), u16(count), u32(uptime), u32(uint32(exported.Unix())), u32(5_000_000), u32(7),
		[]byte{2, 3}, u16(1<<14|100), cat(records...))
}

func v5record(proto uint8, src, dst uint16) []byte {
	return cat(ip("198.51.100.7"), ip("203.0.113.9"), u32(0), u16(3), u16(4), u32(5), u32(600),
		u32(uptime-2000), u32(uptime-1000), u16(src), u16(dst), []byte{0, schema.SYN, proto, 8}, u16(64500), u16(64501),
		[]byte{24, 16}, u16(0))
}

// v7record is v5record with what v7 has behind it.
var v7record = cat(v5record(6, 40000, 22), ip("192.0.2.9"))

func v7(count uint16, records ...[]byte) []byte {
	b := v5(count, records...)
	be.PutUint16(b, 7)
	be.PutUint32(b[20:], 0xffff_ffff) // reserved
	return b
}

// v1record is v5record with its flags elsewhere, and no more.
var v1record = cat(v5record(6, 40000, 22)[:36], u16(0), []byte{6, 8, schema.SYN}, make([]byte, 11))

func v1(count uint16, records ...[]byte) []byte {
	return cat(u16(1), u16(count), u32(uptime), u32(uint32(exported.Unix())), u32(5_000_000), cat(records...))
}

var (
	macs     = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	arpFrame = cat(macs, u16(0x0806), make([]byte, 46))
	synFrame = cat(macs, u16(0x0800), []byte{0x45, 8}, u16(40), u32(0), []byte{63, 6}, u16(0), endsOf(),
		u16(40000), u16(22), u64(0), []byte{0x50, schema.SYN}, make([]byte, 12)) // 6 of them padding
)

// sflow5 is a datagram of the sub-agent 3.
func sflow5(samples ...[]byte) []byte {
	return cat(u32(5), u32(1), ip("192.0.2.200"), u32(3), u32(7), u32(uptime), u32(uint32(len(samples))), cat(samples...))
}

// sampled is a flow sample of a frame of Ethernet that was 4 bytes longer.
func sampled(rate uint32, frame []byte) []byte {
	record := cat(u32(1), u32(uint32(len(frame)+4)), u32(4), u32(uint32(len(frame))), frame, make([]byte, -len(frame)&3))
	body := cat(u32(1), u32(1), u32(rate), u32(0), u32(0), u32(3), u32(4), u32(1), u32(1), u32(uint32(len(record))), record)
	return cat(u32(1), u32(uint32(len(body))), body)
}

// decoder is one with templates of its own.
func decoder() *netflow.Decoder {
	return netflow.NewDecoder(netflow.NewTemplates(netflow.Config{}), netflow.Config{})
}

// decode feeds datagrams of one exporter and returns all flows.
func decode(d *netflow.Decoder, datagrams ...[]byte) []schema.Flow {
	var flows []schema.Flow
	for _, b := range datagrams {
		flows, _ = d.Decode(flows, exporterA, arrived, b)
	}
	return flows
}
