package flowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// What exporters begin a datagram with: NetFlow and IPFIX a version of two
// bytes, sFlow one of four.
const (
	netflow5 = 5
	netflow9 = 9
	ipfix    = 10
	sflow5   = 5
)

// The lengths of their headers.
const (
	headerV5    = 24
	headerV9    = 20
	headerIPFIX = 16
	headerSFlow = 28 // with an IPv4 agent
)

// maxDatagram is the most that UDP carries.
const maxDatagram = 65535

// isExport reports whether a UDP payload could be an exporter's: it begins with
// a version of NetFlow, IPFIX or sFlow that was ever sent. Versions that nobody
// decodes here are let through, so that the decoder counts them by name.
func isExport(payload []byte) bool {
	if len(payload) < 4 {
		return false
	}
	switch binary.BigEndian.Uint16(payload) {
	case 1, netflow5, 6, 7, 8, netflow9, ipfix:
		return true
	case 0:
		switch binary.BigEndian.Uint16(payload[2:]) {
		case 2, 4, sflow5:
			return true
		}
	}
	return false
}

// headerSize returns the bytes of a version's header, 0 if it is not known.
func headerSize(version uint16) int {
	switch version {
	case netflow5:
		return headerV5
	case netflow9:
		return headerV9
	case ipfix:
		return headerIPFIX
	}
	return 0
}

// isBare asks for more than isExport, because a file may be anything: a version
// that is decoded, a whole header, and in IPFIX a length.
func isBare(head []byte) bool {
	if len(head) < headerIPFIX {
		return false
	}
	version, next := binary.BigEndian.Uint16(head), binary.BigEndian.Uint16(head[2:])
	switch version {
	case netflow5, netflow9:
		return len(head) >= headerSize(version)
	case ipfix:
		return next >= headerIPFIX
	case 0:
		return next == sflow5 && len(head) >= headerSFlow
	}
	return false
}

// readBare reads a file that is one datagram.
func readBare(r *Reader, in *input, give func(Datagram) bool) error {
	b, err := io.ReadAll(io.LimitReader(in, maxDatagram+1))
	if err == nil && len(b) > maxDatagram {
		err = errors.New("longer than a datagram can be: name captures, or files of one datagram each")
	} else if err != nil {
		err = in.reason(err)
	}
	r.stats.Packets.Read++
	if err != nil {
		r.stats.Packets.Broken++
		r.report(Problem{in.name, "packet", 1, err.Error()})
		return fmt.Errorf("read %s: %w", in.name, err)
	}
	r.stats.Packets.Datagrams++
	nobody := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	received := ExportTime(b)
	if received == 0 {
		received = in.changed
	}
	give(Datagram{From: nobody, To: nobody, Received: received, Payload: b})
	return nil
}

// ExportTime returns when a datagram says that it was sent, by its exporter's
// clock; 0 if it does not say.
func ExportTime(b []byte) schema.Time {
	if len(b) < 2 || len(b) < headerSize(binary.BigEndian.Uint16(b)) {
		return 0
	}
	second := func(at int) schema.Time {
		return schema.Time(binary.BigEndian.Uint32(b[at:])) * schema.Time(time.Second)
	}
	switch binary.BigEndian.Uint16(b) {
	case netflow5:
		if t := second(8); t != 0 {
			return t + schema.Time(binary.BigEndian.Uint32(b[12:]))
		}
	case netflow9:
		return second(8)
	case ipfix:
		return second(4)
	}
	return 0
}
