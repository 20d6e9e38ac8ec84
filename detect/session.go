package detect

import "github.com/scanhound/scanhound/schema"

// handshake is how many packets of one side a connection without data takes at most.
const handshake = 6

// session returns the far end of a session over TCP or SCTP in which the source
// sent data, nil if the flow is none.
func session(f *schema.Flow, c contact) *schema.Endpoint {
	if c.marks&markAnswered == 0 || f.Proto != schema.TCP && f.Proto != schema.SCTP {
		return nil
	}
	switch {
	case !countsPackets(f):
		if f.Src.Bytes <= maxProbeBytes {
			return nil
		}
	case f.Src.TCPFlags&schema.PSH == 0 && f.Src.Packets <= handshake:
		return nil // a connect scan's own handshake and teardown
	}
	return &schema.Endpoint{Addr: f.Dst.Addr, Port: f.Dst.Port, Proto: schema.ProtoName(f.Proto)}
}

// begins reports whether f holds the beginning of its session. Exporters slice a
// long one, and a slice begins after what may have happened meanwhile. Who sends no
// flags, or samples, does not say: there it must be the first that is known.
func begins(f *schema.Flow, talked bool) bool {
	if flags := f.Src.TCPFlags | f.Dst.TCPFlags; f.Proto == schema.TCP && flags != 0 && f.Exporter.Sampling <= 1 {
		return flags&schema.SYN != 0
	}
	return !talked
}

// hear tells the scans of a source what it did: the open ones of any contact, and
// those that have closed of sessions that no open one knows as its fruit. It
// reports whether an open scan covers the contact.
func (d *Detector) notifyScans(g *sighting, acc *account, s *suspect, n *change) (covered bool) {
	far := session(g.f, n.c)
	if len(s.scans) > 0 {
		got := far
		if got != nil && !d.ledger.failedBefore(g, acc, s, n) {
			got = nil
		}
		if covered = d.docket.contacted(acc, s, n.c, g, got); covered && got != nil {
			return true
		}
	}
	if far != nil && len(s.closedScans) > 0 && begins(g.f, n.talked) {
		d.docket.sessionAfterClose(s, *far, g.t, g.offset, func(p *closedScan) bool {
			at, is := p.probed.failedAt(n.c.addr(), p.last)
			return is && at <= g.t && p.scope.has(n.c)
		})
	}
	return covered
}

// failedBefore reports whether the source had probed the host of a session, and
// failed. Of a large scan the sets know a sample, and a map the rest.
func (l *ledger) failedBefore(g *sighting, acc *account, s *suspect, n *change) bool {
	if n.probed {
		return true
	}
	for _, known := range acc.failed.all(&l.slab) {
		if known.addr() == n.c.addr() {
			return true
		}
	}
	k := s.sketch[trackPorts]
	return k != nil && begins(g.f, n.talked) && k.failed(n.c.addr(), g.t)
}
