package orient

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/scanhound/scanhound/detect/internal/lossy"
	"github.com/scanhound/scanhound/schema"
)

// Learner finds ports that behave like services and are not in the list: one
// port of a host, many clients with ephemeral ports of their own, sessions, both
// directions seen. It proposes; somebody has to put a port into the list.
//
// It looks at flows as exporters sent them, at a sample if that is what it is
// given, and belongs to one goroutine. Its memory is fixed: an endpoint takes
// the slot of one that was seen less.
type Learner struct {
	services []uint16
	table    lossy.Table[endpoint]
}

// endpoint is a host's port and what was seen of its peers.
type endpoint struct {
	addr    netip.Addr
	port    uint16
	proto   uint8
	from    bool // it sent
	to      bool // it was sent to
	seen    uint32
	odd     uint32 // flows whose other port is no client's, or that were no session
	clients [learnClients]uint32
	known   uint8 // of clients
}

const (
	learnSlots   = 1 << 14
	learnClients = 8 // distinct clients that make a service
	learnFlows   = 30
	learnOdd     = 0.1 // share of flows that may look otherwise
)

// NewLearner returns a Learner that proposes none of services.
func NewLearner(services []uint16) *Learner {
	l := &Learner{services: services}
	l.table.Make(learnSlots)
	return l
}

// Observe learns from flows that were not turned round.
func (l *Learner) Observe(flows []schema.Flow) {
	for i := range flows {
		f := &flows[i]
		if !schema.HasPorts(f.Proto) || f.Swapped || !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() {
			continue
		}
		l.see(f, &f.Src, &f.Dst, true)
		l.see(f, &f.Dst, &f.Src, false)
	}
}

// see notes f at the end that may be a server.
func (l *Learner) see(f *schema.Flow, server, client *schema.Side, from bool) {
	if server.Port == 0 || slices.Contains(l.services, server.Port) {
		return
	}
	b := server.Addr.As16()
	hash := schema.Mix64(schema.HashAddr(&b) ^ uint64(server.Port)<<8 ^ uint64(f.Proto))
	e := l.table.Slot(hash)
	if e.addr != server.Addr || e.port != server.Port || e.proto != f.Proto {
		if e.seen > 1 {
			e.seen /= 2 // the one that is there gives way when others come more often
			return
		}
		*e = endpoint{addr: server.Addr, port: server.Port, proto: f.Proto}
	}
	e.seen++
	e.from, e.to = e.from || from || f.Dst.Packets > 0, e.to || !from || f.Dst.Packets > 0
	if client.Port <= lastWellKnown || !carriesSession(f) {
		e.odd++
		return
	}
	e.meet(client.Addr)
}

// carriesSession: more than a handshake, or an answer of any kind over UDP.
func carriesSession(f *schema.Flow) bool {
	return f.Proto != schema.TCP || max(f.Src.Packets, f.Dst.Packets) > 3
}

func (e *endpoint) meet(client netip.Addr) {
	if e.known == learnClients {
		return
	}
	b := client.As16()
	h := uint32(schema.HashAddr(&b))
	if !slices.Contains(e.clients[:e.known], h) {
		e.clients[e.known] = h
		e.known++
	}
}

func (e *endpoint) serves() bool {
	return e.from && e.to && e.known == learnClients && e.seen >= learnFlows && float64(e.odd) <= learnOdd*float64(e.seen)
}

// Proposal is a port that hosts seem to serve.
type Proposal struct {
	Port  uint16
	Proto uint8
	Hosts []netip.Addr // that serve it, at most 5
	Flows uint64
}

// Proposals returns what was found, the most used port first.
func (l *Learner) Proposals() []Proposal {
	at := map[uint32]*Proposal{}
	for _, e := range l.table.All() {
		if !e.serves() {
			continue
		}
		k := binary.BigEndian.Uint32([]byte{0, e.proto, byte(e.port >> 8), byte(e.port)})
		p := at[k]
		if p == nil {
			p = &Proposal{Port: e.port, Proto: e.proto}
			at[k] = p
		}
		p.Flows += uint64(e.seen)
		if len(p.Hosts) < 5 {
			p.Hosts = append(p.Hosts, e.addr)
		}
	}
	all := make([]Proposal, 0, len(at))
	for _, p := range at {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b Proposal) int {
		return cmp.Or(cmp.Compare(b.Flows, a.Flows), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	return all
}
