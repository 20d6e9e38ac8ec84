package detect

import "net/netip"

// suspect is what is held beside an account once a source has a few failed
// targets: what an alert tells, and what counts beyond the sets.
//
// What every probe asks comes first, and begins with a line of memory, so that it lies on no
// more lines than it must: the scans, then when to ask again, the credits of hosts and of
// ports, and what a probe of a port changes in the evidence.
type suspect struct {
	scans       []*scan       // open ones
	closedScans []*closedScan // in the order in which they closed
	account     uint32
	internal    bool
	sampled     bool // as sampled exporters show it
	net         bool // addr is that of an IPv6 /64

	notBefore notBefore
	sketch    [trackCount]*sketches
	_         [8]byte
	credits   credits
	evidence  [trackCount]evidence

	addr    netip.Addr
	turns   uint32 // alerts that closed or went on again: what has more of them is further on
	names   map[uint32]netip.Addr
	fanOut  fanOut
	idPanes [len(ruleKinds)]uint32 // of the last alert of each rule: no id comes twice
}

// suspicious is how many failed targets make a suspect: less than any rule wants
// by default. A smaller threshold makes suspects of what reaches it.
const suspicious = 6

// trackKind separates what is counted by different rules.
type trackKind uint8

const (
	trackPorts     trackKind = iota // protocols with ports
	trackEchoes                     // ICMP requests
	trackProtocols                  // every other IP protocol
	trackCount
)

// rulesOf are the rules that a track is judged by.
var rulesOf = [trackCount][]rule{
	trackPorts:     {vertical, horizontal, block, mixed},
	trackEchoes:    {sweep},
	trackProtocols: {protocols},
}

// suspect makes the source of an account a suspect.
func (l *ledger) suspect(acc *account, index uint32, addr netip.Addr) *suspect {
	s := &suspect{addr: addr, internal: l.isInternal(addr), account: index}
	s.credits.lend(&l.thresholds, uint32(acc.failed.n), s.internal)
	l.enlist(acc, s)
	return s
}

// enlist gives an account its suspect.
func (l *ledger) enlist(acc *account, s *suspect) {
	if n := len(l.freeSuspects); n > 0 {
		acc.suspect = l.freeSuspects[n-1]
		l.freeSuspects = l.freeSuspects[:n-1]
		l.suspects[acc.suspect-1] = s
	} else {
		l.suspects = append(l.suspects, s)
		acc.suspect = uint32(len(l.suspects))
	}
}

// sketched is what its sketches, footprints and closed scans take.
func (s *suspect) sketched() uint64 {
	n := s.footprints()
	for _, k := range s.sketch {
		if k != nil {
			n += k.bytes()
		}
	}
	for _, sc := range s.scans {
		n += sc.life.bytes()
	}
	for _, p := range s.closedScans {
		n += p.bytes()
	}
	return n
}

func (l *ledger) forgetSuspect(acc *account) {
	if acc.suspect == 0 {
		return
	}
	l.suspects[acc.suspect-1] = nil
	l.freeSuspects = append(l.freeSuspects, acc.suspect)
	acc.suspect = 0
}

// maxNames bounds the IPv6 addresses that are remembered to name targets.
const maxNames = 256

// name remembers the address of an IPv6 target, of which a contact holds a hash.
func (s *suspect) name(a netip.Addr) {
	if a.Is4() || a.Is4In6() || len(s.names) >= maxNames {
		return
	}
	if s.names == nil {
		s.names = map[uint32]netip.Addr{}
	}
	s.names[short(a)] = a
}

// target is the address of a contact; the zero Addr where it is not remembered.
func (s *suspect) target(c contact) netip.Addr { return s.addrOf(c.addr()) }

// addrOf is the address that a contact holds in 32 bits.
func (s *suspect) addrOf(short uint32) netip.Addr {
	if s.isV4() {
		return v4Addr(short)
	}
	return s.names[short]
}

// knows reports whether the address that a contact holds in 32 bits can be told.
func (s *suspect) knows(short uint32) bool { return s.isV4() || s.names[short].IsValid() }

func (s *suspect) isV4() bool { return s.addr.Is4() || s.addr.Is4In6() }
