package orient

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// Some answers over UDP are no mirror image of what was asked. A tunnel's end answers
// to the port that it was asked on, from another (VXLAN, RFC 7348 section 5; GENEVE; BFD,
// RFC 5881 section 4). A server of TFTP answers from a fresh port (RFC 1350 section 4), and
// a question to a group is answered by hosts of which nobody could know (mDNS, SSDP,
// WS-Discovery, LLMNR). So the two hosts count, and the port that was asked.
//
// What answers so is turned round, and has the asked port instead of its own: the
// contact is that of the question. Both tables are direct-mapped; what is forgotten
// costs an orientation.
type datagrams struct {
	pairs  []pairSlot              // by both hosts and the port that one asked the other on
	askers []askerSlot             // by the host and port that ask what another port answers
	asked  [askerSlots / 64]uint64 // a bit for each of these that is taken: few are, and each flow asks
	undone []openHosts             // of the batch
}

// askerSlot is a question whose answer comes from another port than it went to.
type askerSlot struct {
	key  uint64 // hash of the host and port that asked
	peer uint64 // hash of whom it asked; 0: a group
	seen schema.Time
	port uint16 // that it asked
}

// openHosts is a flow whose reverse was not seen.
type openHosts struct {
	at      int // in the batch
	key     uint64
	forward bool
}

const (
	askerSlots = 1 << 12 // 32 bytes each
	pairShare  = 4       // of the slots for conversations, one in so many for pairs of hosts
	tftp       = 69
)

func newDatagrams(conversations int) datagrams {
	return datagrams{pairs: make([]pairSlot, max(conversations/pairShare, 1)), askers: make([]askerSlot, askerSlots)}
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// ask notes f where it asks a group, or for a file. It reports whether f is a
// datagram to one host.
func (d *datagrams) ask(f *schema.Flow, src uint64) bool {
	if f.Proto != schema.UDP || f.Src.Port == 0 || f.Dst.Port == 0 {
		return false
	}
	group := f.Dst.Addr.IsMulticast() || f.Dst.Addr == broadcast
	if !group && f.Dst.Port != tftp {
		return true
	}
	s, key := d.asker(src)
	d.asked[src%askerSlots/64] |= 1 << (src % 64)
	*s = askerSlot{key: key, seen: f.EventTime(), port: f.Dst.Port}
	if !group {
		s.peer = socket(f.Dst.Addr, 0) | 1
	}
	return !group
}

// asker is the slot of a socket, and its key.
func (d *datagrams) asker(of uint64) (*askerSlot, uint64) {
	return &d.askers[of%askerSlots], of | taken
}

// answers turns f round if it goes to a port that asked a group, or for a file.
func (d *datagrams) answers(f *schema.Flow, dst uint64) bool {
	if d.asked[dst%askerSlots/64]>>(dst%64)&1 == 0 {
		return false
	}
	s, key := d.asker(dst)
	if t := f.EventTime(); s.key != key || t.Sub(s.seen) > pairWindow || s.seen.Sub(t) > pairWindow {
		return false
	}
	switch {
	case s.peer == 0 && f.Dst.Port == s.port && f.Src.Port != s.port:
		return false // who answers mDNS does so from its port (RFC 6762 section 6): this asks
	case s.peer != 0 && s.peer != socket(f.Src.Addr, 0)|1:
		return false
	}
	f.Swap()
	if s.peer != 0 {
		f.Dst.Port = s.port
	}
	f.Orientation = schema.OrientReverse
	return true
}

// slot is where two hosts and a port belong.
func (d *datagrams) slot(f *schema.Flow, port uint16) (s *pairSlot, key uint64, forward bool) {
	key, forward = conversation(socket(f.Src.Addr, 0), socket(f.Dst.Addr, 0), uint64(port))
	return d.pair(key), key, forward
}

// leave keeps flow i of a batch for decide: no rule has answered so far.
func (d *datagrams) leave(i int, f *schema.Flow) {
	s, key, forward := d.slot(f, f.Dst.Port)
	s.remember(key, forward, f.EventTime())
	d.undone = append(d.undone, openHosts{i, key, forward})
}

func (d *datagrams) pair(key uint64) *pairSlot { return &d.pairs[key&uint64(len(d.pairs)-1)] }

// decide asks for all of a batch that was left whether the same two hosts talk the
// other way, on the port that was asked or from it.
func (d *datagrams) decide(flows []schema.Flow) {
	for _, u := range d.undone {
		f := &flows[u.at]
		if s := d.pair(u.key); s.key == u.key && s.reverse {
			if u.forward != s.forward {
				f.Swap()
				f.Dst.Port = f.Src.Port
			}
			f.Orientation = schema.OrientReverse
			continue
		}
		if f.Src.Port >= FirstEphemeral && f.Dst.Port < FirstEphemeral {
			continue // the shape of a question
		}
		s, key, forward := d.slot(f, f.Src.Port)
		if t := f.EventTime(); s.key == key && s.forward != forward && t.Sub(s.start) <= pairWindow && s.start.Sub(t) <= pairWindow {
			s.reverse = true
			f.Swap()
			f.Orientation = schema.OrientReverse
		}
	}
	d.undone = d.undone[:0]
}
