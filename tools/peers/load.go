package main

import (
	"encoding/binary"
	"math/rand/v2"
)

// A version is one form in which the same kind of flows is exported: 18 usual
// fields in a record, and as many records as a datagram of 1,400 bytes holds.
type version struct {
	name    string
	number  uint16
	records int // in a datagram
	header  int // bytes before the first set, or before the records of v5
	fields  []field
}

type field struct{ element, length uint16 }

var (
	v5    = version{name: "v5", number: 5, records: 28, header: 24}
	v9    = version{name: "v9", number: 9, records: 28, header: 20, fields: append(usual(), field{22, 4}, field{21, 4})}
	ipfix = version{name: "IPFIX", number: 10, records: 24, header: 16, fields: append(usual(), field{152, 8}, field{153, 8})}
)

// usual are the fields that v9 and IPFIX number alike: addresses, ports, protocol,
// TOS, flags, bytes, packets, interfaces, AS numbers, masks and the next hop.
func usual() []field {
	return []field{
		{8, 4}, {12, 4}, {7, 2}, {11, 2}, {4, 1}, {5, 1}, {6, 1}, {1, 4}, {2, 4},
		{10, 2}, {14, 2}, {16, 4}, {17, 4}, {9, 1}, {13, 1}, {15, 4},
	}
}

const (
	template = 256 // its id
	uptime   = 86_400_000
	ring     = 256 // datagrams of an exporter, the first of which is the template
)

// ringOf returns the datagrams that one exporter sends again and again: with the
// template first where the version has any, and flows of many sources.
func (v *version) ringOf(exporter uint32, now uint32) [][]byte {
	random := rand.New(rand.NewPCG(uint64(exporter), uint64(v.number)))
	all := make([][]byte, 0, ring)
	if v.fields != nil {
		all = append(all, v.stamp(v.templateSet(v.head(exporter, 1)), now, 0))
	}
	for len(all) < ring {
		b := v.head(exporter, v.records)
		if v.fields != nil {
			b = binary.BigEndian.AppendUint16(b, template)
			b = binary.BigEndian.AppendUint16(b, 0)
		}
		for range v.records {
			b = v.record(b, random, now)
		}
		if v.fields != nil {
			binary.BigEndian.PutUint16(b[v.header+2:], uint16(len(b)-v.header))
		}
		all = append(all, v.stamp(b, now, 0))
	}
	return all
}

func (v *version) head(exporter uint32, count int) []byte {
	b := make([]byte, v.header, 1472)
	binary.BigEndian.PutUint16(b, v.number)
	binary.BigEndian.PutUint16(b[2:], uint16(count)) // IPFIX: the length, set by stamp
	if v.number != 10 {
		binary.BigEndian.PutUint32(b[4:], uptime)
	}
	if v.number != 5 {
		binary.BigEndian.PutUint32(b[v.header-4:], exporter) // observation domain
	}
	return b
}

// stamp sets what changes from one datagram to the next: the length of IPFIX,
// the time and the sequence number.
func (v *version) stamp(b []byte, now, sequence uint32) []byte {
	switch v.number {
	case 5:
		binary.BigEndian.PutUint32(b[8:], now)
		binary.BigEndian.PutUint32(b[16:], sequence)
	case 9:
		binary.BigEndian.PutUint32(b[8:], now)
		binary.BigEndian.PutUint32(b[12:], sequence)
	case 10:
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint32(b[4:], now)
		binary.BigEndian.PutUint32(b[8:], sequence)
	}
	return b
}

// step is what a datagram adds to the sequence number: flows in v5 and IPFIX,
// datagrams in v9.
func (v *version) step(isTemplate bool) uint32 {
	switch {
	case v.number == 9:
		return 1
	case isTemplate:
		return 0
	}
	return uint32(v.records)
}

func (v *version) templateSet(b []byte) []byte {
	set := uint16(0)
	if v.number == 10 {
		set = 2
	}
	for _, word := range []uint16{set, uint16(8 + 4*len(v.fields)), template, uint16(len(v.fields))} {
		b = binary.BigEndian.AppendUint16(b, word)
	}
	for _, f := range v.fields {
		b = binary.BigEndian.AppendUint16(b, f.element)
		b = binary.BigEndian.AppendUint16(b, f.length)
	}
	return b
}

// record is a TCP session of one of 65,536 clients with one of 4,096 servers.
func (v *version) record(b []byte, random *rand.Rand, now uint32) []byte {
	client, server := 10<<24|random.Uint32N(1<<16), uint32(192<<24|168<<16)|random.Uint32N(1<<12)
	port, packets := uint64(32768+random.Uint32N(28232)), uint64(1+random.Uint32N(100))
	began := uint64(random.Uint32N(60_000)) // ms before the export
	if v.number == 5 {
		return appendV5(b, client, server, uint16(port), uint32(packets), uint32(began))
	}
	values := [...]uint64{
		8: uint64(client), 12: uint64(server), 7: port, 11: 443, 4: 6, 6: 0x1b, 1: packets * 700, 2: packets,
		10: 1, 14: 2, 16: 64512, 17: 64513, 9: 16, 13: 20, 15: 0x0a0000fe,
		22: uptime - began, 21: uptime - began/2,
		152: uint64(now)*1000 - began, 153: uint64(now)*1000 - began/2,
	}
	for _, f := range v.fields {
		b = appendUint(b, f.length, values[f.element])
	}
	return b
}

func appendUint(b []byte, length uint16, value uint64) []byte {
	var whole [8]byte
	binary.BigEndian.PutUint64(whole[:], value)
	return append(b, whole[8-length:]...)
}

func appendV5(b []byte, client, server uint32, port uint16, packets, began uint32) []byte {
	var r [48]byte
	binary.BigEndian.PutUint32(r[0:], client)
	binary.BigEndian.PutUint32(r[4:], server)
	binary.BigEndian.PutUint32(r[8:], 0x0a0000fe)
	binary.BigEndian.PutUint16(r[12:], 1)
	binary.BigEndian.PutUint16(r[14:], 2)
	binary.BigEndian.PutUint32(r[16:], packets)
	binary.BigEndian.PutUint32(r[20:], packets*700)
	binary.BigEndian.PutUint32(r[24:], uptime-began)
	binary.BigEndian.PutUint32(r[28:], uptime-began/2)
	binary.BigEndian.PutUint16(r[32:], port)
	binary.BigEndian.PutUint16(r[34:], 443)
	r[37], r[38] = 0x1b, 6
	binary.BigEndian.PutUint16(r[40:], 64512)
	binary.BigEndian.PutUint16(r[42:], 64513)
	r[44], r[45] = 16, 20
	return append(b, r[:]...)
}
