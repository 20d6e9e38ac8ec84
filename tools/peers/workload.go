package main

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
)

// workload is a day of flows for detectors: each source once, scanners with 130 to 2,000
// targets within 6 hours, and clients that come back to at most 60 targets of a port, of which
// one in twenty flows fails. Who scans is known, since nobody else can have 100 targets.
type workload struct {
	flows    []dayFlow // by time
	scanners map[netip.Addr]bool
}

type dayFlow struct {
	at, took       uint32 // ms of the day
	src, dst       uint32
	sport, dport   uint16
	packets        uint16
	proto, control uint8
}

const (
	dayStart = 1_767_225_600 // 2026-01-01 in seconds of Unix
	dayMilli = 86_400_000
	targets  = 130 // of a scan, at least
	onlySYN  = 0x02
	session  = 0x1b
)

// newWorkload makes n flows of so many sources.
func newWorkload(n, sources, scanners int) *workload {
	w := &workload{flows: make([]dayFlow, 0, n+2000), scanners: map[netip.Addr]bool{}}
	random := rand.New(rand.NewPCG(uint64(n), uint64(sources)))
	for s := range scanners {
		w.scan(random, s)
	}
	for s := scanners; len(w.flows) < n; s++ {
		who := s
		if s >= sources {
			who = scanners + int(random.Uint64N(uint64(1+random.Uint64N(uint64(sources-scanners))))) // some are busier
		}
		w.client(random, who)
	}
	slices.SortStableFunc(w.flows, func(a, b dayFlow) int { return cmp.Compare(a.at, b.at) })
	return w
}

// scan adds a scan: one port of many hosts, or many ports of one.
func (w *workload) scan(random *rand.Rand, s int) {
	src := address(s)
	w.scanners[addr(src)] = true
	began, span := random.Uint32N(dayMilli*3/4), 60_000+random.Uint32N(dayMilli/4-60_000)
	host, port := random.Uint32N(1<<24), uint16(1+random.Uint32N(1024))
	for i := range uint32(targets + random.IntN(1870)) {
		f := dayFlow{at: began + random.Uint32N(span), src: src, dst: 10<<24 | host, sport: ephemeral(random), dport: port, packets: 1, proto: 6, control: onlySYN}
		if s%2 == 0 {
			f.dst = 10<<24 | (host+i)%(1<<24)
		} else {
			f.dport = uint16(1 + i)
		}
		w.flows = append(w.flows, f)
	}
}

// client adds a flow to one of the targets that a client has.
func (w *workload) client(random *rand.Rand, who int) {
	own := mix(uint32(who))
	f := dayFlow{
		at: random.Uint32N(dayMilli), took: random.Uint32N(60_000), src: address(who), sport: ephemeral(random),
		dst: 10<<24 | (own+7919*random.Uint32N(1+own%60))%(1<<24), dport: [...]uint16{443, 80, 53, 22, 25, 993}[own>>8%6],
		packets: uint16(2 + random.Uint32N(30)), proto: 6, control: session,
	}
	switch random.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		f.proto, f.control = 17, 0
	case 6:
		f.packets, f.control, f.took = 1, onlySYN, 0
	}
	w.flows = append(w.flows, f)
}

func ephemeral(random *rand.Rand) uint16 { return uint16(1024 + random.Uint32N(64_000)) }

// address is a source's, within 64.0.0.0/3: outside of 10.0.0.0/8 and of loopback.
func address(s int) uint32 { return 0x40000000 | mix(uint32(s))>>3 }

// mix is a bijection of 32 bits (the finalizer of MurmurHash3).
func mix(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x85ebca6b
	x ^= x >> 13
	x *= 0xc2b2ae35
	return x ^ x>>16
}

func addr(a uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
}

// datagrams yields NetFlow v5 of 30 records, each exported 70 s after its last flow began.
func (w *workload) datagrams(yield func([]byte) bool) {
	for part := range slices.Chunk(w.flows, 30) {
		b := make([]byte, 24, 24+48*30)
		up := part[len(part)-1].at + 130_000 // the exporter started a minute before the day
		exported := uint64(dayStart)*1000 + uint64(up) - 60_000
		binary.BigEndian.PutUint16(b, 5)
		binary.BigEndian.PutUint16(b[2:], uint16(len(part)))
		binary.BigEndian.PutUint32(b[4:], up)
		binary.BigEndian.PutUint32(b[8:], uint32(exported/1000))
		binary.BigEndian.PutUint32(b[12:], uint32(exported%1000)*1_000_000)
		for i := range part {
			b = part[i].appendTo(b)
		}
		if !yield(b) {
			return
		}
	}
}

func (f *dayFlow) appendTo(b []byte) []byte {
	var r [48]byte
	binary.BigEndian.PutUint32(r[0:], f.src)
	binary.BigEndian.PutUint32(r[4:], f.dst)
	binary.BigEndian.PutUint16(r[12:], 1)
	binary.BigEndian.PutUint16(r[14:], 2)
	binary.BigEndian.PutUint32(r[16:], uint32(f.packets))
	binary.BigEndian.PutUint32(r[20:], uint32(f.packets)*44)
	binary.BigEndian.PutUint32(r[24:], f.at+60_000)
	binary.BigEndian.PutUint32(r[28:], f.at+f.took+60_000)
	binary.BigEndian.PutUint16(r[32:], f.sport)
	binary.BigEndian.PutUint16(r[34:], f.dport)
	r[37], r[38] = f.control, f.proto
	return append(b, r[:]...)
}

// writePcap writes the datagrams as IP packets (LINKTYPE_RAW, 101).
func (w *workload) writePcap(out io.Writer) error {
	head := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	head = append(head, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0)
	_, err := out.Write(head)
	for d := range w.datagrams {
		var h [16 + 28]byte // of the record, of IPv4 and of UDP
		size := uint32(28 + len(d))
		for i, v := range []uint32{binary.BigEndian.Uint32(d[8:]), binary.BigEndian.Uint32(d[12:]) / 1000, size, size} {
			binary.LittleEndian.PutUint32(h[4*i:], v)
		}
		copy(h[16:], []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 8, 7, 8, 7})
		binary.BigEndian.PutUint16(h[18:], uint16(size))
		binary.BigEndian.PutUint16(h[40:], uint16(8+len(d)))
		if _, e := out.Write(h[:]); e != nil {
			return e
		}
		if _, e := out.Write(d); e != nil {
			return e
		}
	}
	return err
}

// writeCSV writes what a database is asked for, addresses as numbers.
func (w *workload) writeCSV(out io.Writer) error {
	var line []byte
	for i := range w.flows {
		f := &w.flows[i]
		line = line[:0]
		for _, v := range []uint32{f.at, f.src, f.dst, uint32(f.dport), uint32(f.proto), uint32(f.control)} {
			line = append(strconv.AppendUint(line, uint64(v), 10), ',')
		}
		line[len(line)-1] = '\n'
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// toFile writes a file with write.
func toFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 1<<20)
	err = write(out)
	return errors.Join(err, out.Flush(), file.Close())
}
