package flowfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// nfdump -o pipe prints numbers alone, of one direction:
//
//	family (2, 10) first last protocol src:4 port dst:4 port as as input output flags tos packets bytes
//
// An address is four numbers of 32 bits, of which IPv4 has the last. The times are milliseconds;
// nfdump 1.6 prints each as seconds and milliseconds.
const (
	pipeColumns   = 22
	pipeColumns16 = 24
)

// pipeMost is the most that each of the numbers can be; the counters have no bound.
var pipeMost = [...]uint64{
	10, math.MaxInt64 / 1_000_000, math.MaxInt64 / 1_000_000, 255, word, word, word, word, 65535, word, word, word, word, 65535,
	word, word, word, word, 65535, 255,
}

const word = math.MaxUint32

// pipeNumbers reads a line; the times of 1.6 are made like those of 1.7.
func pipeNumbers(line []byte) (n []uint64, err error) {
	if c := bytes.Count(line, []byte("|")) + 1; c != pipeColumns && c != pipeColumns16 {
		return nil, errColumns{c, pipeColumns}
	}
	for more := true; more; {
		var text []byte
		text, line, more = cutColumn(line, '|')
		v, ok := decimal(trimSpaces(text))
		if !ok || v > math.MaxInt64 {
			return nil, &errValue{text, "a number"}
		}
		n = append(n, v)
	}
	if len(n) == pipeColumns16 {
		n = append([]uint64{n[0], 1000*n[1] + n[2], 1000*n[3] + n[4]}, n[5:]...)
	}
	return n, nil
}

func isPipe(line []byte) bool {
	n, err := pipeNumbers(line)
	return err == nil && (n[0] == 2 || n[0] == 10)
}

func readPipe(r *Reader, in *input, give func([]schema.Flow) bool) error {
	return readLines(r, in, give, parsePipe)
}

func parsePipe(line []byte, f *schema.Flow) (lineKind, error) {
	if isNfdumpRemark(line) {
		return aHeader, nil
	}
	n, err := pipeNumbers(line)
	if err != nil {
		return aFlow, err
	}
	for i, most := range pipeMost {
		if n[i] > most {
			return aFlow, fmt.Errorf("number %d is more than %d", i+1, most)
		}
	}
	*f = schema.Flow{Start: schema.Time(n[1] * 1e6), End: schema.Time(n[2] * 1e6), Proto: uint8(n[3]), TOS: uint8(n[19])}
	f.Src = schema.Side{Addr: pipeAddr(n[0], n[4:8]), AS: uint32(n[14]), Interface: uint32(n[16]), TCPFlags: uint16(n[18]), Packets: n[20], Bytes: n[21]}
	f.Dst = schema.Side{Addr: pipeAddr(n[0], n[9:13]), AS: uint32(n[15]), Interface: uint32(n[17]), Untold: schema.UntoldSent}
	switch {
	case schema.HasPorts(f.Proto):
		f.Src.Port, f.Dst.Port = uint16(n[8]), uint16(n[13])
	case f.Proto == schema.ICMP || f.Proto == schema.ICMPv6:
		f.ICMPType, f.ICMPCode = uint8(n[13]>>8), uint8(n[13])
	}
	return aFlow, settle(f)
}

func pipeAddr(family uint64, words []uint64) netip.Addr {
	var b [16]byte
	for i, w := range words {
		binary.BigEndian.PutUint32(b[4*i:], uint32(w))
	}
	if family == 2 {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.AddrFrom16(b)
}
