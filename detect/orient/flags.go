package orient

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// flags are the TCP control bits of one side.
type flags uint8

func sideOf(s *schema.Side) flags { return flags(s.Control()) }

func (f flags) initiates() bool { return f&(schema.SYN|schema.ACK) == schema.SYN }

func (f flags) answers(packets uint64) bool {
	switch f {
	case schema.SYN | schema.ACK:
		return packets <= 1
	case schema.RST, schema.RST | schema.ACK:
		return true
	}
	return false
}

// byFlags reads the TCP flags of both sides. NetFlow ORs them over the flow, so
// an initiator's record of several packets has SYN and ACK too: SYN+ACK means
// the answering side only where it is a single packet.
func byFlags(f *schema.Flow) bool {
	if f.Proto != schema.TCP {
		return false
	}
	src := sideOf(&f.Src)
	switch {
	case src.initiates(), synAckToService(f):
	case src.answers(f.Src.Packets):
		if clientReset(f) {
			return false
		}
		f.Swap()
	case src == 0 && sideOf(&f.Dst).initiates():
		f.Swap()
	default:
		return false
	}
	f.Orientation = schema.OrientFlags
	return true
}

// deny reports whether the TCP flags of a record that has both halves say that its
// destination started it, whoever claims the contrary: softflowd's biflows put the
// lower address first, so that the SYN of a scan lies in the reverse half.
func flagsDeny(f *schema.Flow) bool {
	if f.Proto != schema.TCP {
		return false
	}
	src, dst := sideOf(&f.Src), sideOf(&f.Dst)
	switch {
	case src.initiates() || dst&schema.SYN == 0:
		return false
	case dst.initiates():
		return src == 0 && f.Src.Packets == 0 || src&(schema.RST|schema.ACK) != 0
	}
	return src.answers(f.Src.Packets)
}

// FirstEphemeral is where Linux begins to take clients' ports from
// (net.ipv4.ip_local_port_range); RFC 6335 begins later, at 49152.
const FirstEphemeral = 32768

// clientReset reports whether a lone RST comes from the client's end: it leaves
// an ephemeral port towards a service, the way idle sessions are torn down.
func clientReset(f *schema.Flow) bool {
	return sideOf(&f.Src)&schema.SYN == 0 &&
		(f.Src.Port > lastWellKnown && f.Dst.Port <= lastWellKnown ||
			f.Src.Port >= FirstEphemeral && f.Dst.Port < FirstEphemeral)
}

// TowardsClient reports whether f leaves a service's port for one of those that clients
// dial from.
func TowardsClient(f *schema.Flow) bool {
	return f.Src.Port <= lastWellKnown && f.Dst.Port > lastWellKnown || f.Src.Port < FirstEphemeral && f.Dst.Port >= FirstEphemeral
}

// nfs is the one service beyond the system ports whose clients dial from them
// (mount.nfs(8), resvport).
const nfs = 2049

// synAckToService: a lone SYN+ACK to a system port from a port that is none answers
// nobody: a SYN-ACK scan.
func synAckToService(f *schema.Flow) bool {
	return loneSynAck(f) && f.Src.Port > lastWellKnown && f.Dst.Port <= lastWellKnown && f.Src.Port != nfs
}

func loneSynAck(f *schema.Flow) bool {
	return f.Proto == schema.TCP && sideOf(&f.Src) == schema.SYN|schema.ACK && f.Src.Packets <= 1 && sideOf(&f.Dst)&schema.SYN == 0
}

// synAcks counts from how many ports a host sends lone SYN+ACKs to one port of others,
// both ports being beyond the system's. A server answers from its one port to a port of
// each client's own, and so does who is flooded under spoofed addresses. A scanner
// keeps the port that it asks for. It is a fixed direct-mapped table: what is forgotten
// costs the first few flows of a scan, which are taken for answers.
type synAcks struct{ slots []synAckSlot }

type synAckSlot struct {
	key         uint64 // hash of the sender and the port that it sends to
	seen        schema.Time
	from, hosts uint32 // a bit for each source port and host, by hash
}

const (
	synAckSlots = 1 << 12 // 24 bytes each, made when first needed
	synAckFor   = time.Hour
	synAckMany  = 12 // of 32 bits: some fifteen ports, and as many hosts
)

// asks notes a lone SYN+ACK and reports whether it is one of a scan.
func (t *synAcks) asks(f *schema.Flow) bool {
	if !loneSynAck(f) || f.Dst.Port <= lastWellKnown || f.Src.Port <= lastWellKnown {
		return false
	}
	if t.slots == nil {
		t.slots = make([]synAckSlot, synAckSlots)
	}
	key := schema.Mix64(socket(f.Src.Addr, f.Dst.Port)) | 1
	s, at := &t.slots[key>>1%synAckSlots], f.EventTime()
	if s.key != key || at.Sub(s.seen) > synAckFor {
		*s = synAckSlot{key: key}
	}
	s.seen = max(s.seen, at)
	s.from |= 1 << (schema.Mix64(uint64(f.Src.Port)) % 32)
	s.hosts |= 1 << (hostHash(f.Dst.Addr) >> 20 % 32)
	return bits.OnesCount32(s.from) >= synAckMany && bits.OnesCount32(s.hosts) >= synAckMany
}

// hostHash chooses a host's bit: which hosts share one decides with which flow a scan shows.
func hostHash(a netip.Addr) uint64 {
	if a.Is4() {
		b := a.As4()
		return schema.Mix64(uint64(binary.BigEndian.Uint32(b[:])) << 16)
	}
	b := a.As16()
	return schema.HashAddr(&b)
}
