package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// ftp is a v5 datagram of one flow between an FTP server and its client: data that
// nothing answers, or the session.
func ftp(port uint16, session bool) []byte {
	client, server := netip.MustParseAddr("10.0.5.5"), netip.MustParseAddr("203.0.113.21")
	b := newV5(time.Now().Add(-time.Hour))
	if session {
		b.add(v5record{src: client, dst: server, srcPort: port, dstPort: 21, packets: 20, bytes: 2000, flags: schema.SYN | schema.ACK | schema.PSH})
	} else {
		b.add(v5record{src: server, dst: client, srcPort: 20, dstPort: port, packets: 3, bytes: 180, flags: schema.SYN})
	}
	return b.bytes()
}

func TestFTPDataIsHeldTillItsSessionIsExportedAndNothingIsLostAtTheEnd(t *testing.T) {
	r := start(t, settingsOf(t, fakeKafka(t)))
	r.send(t, ftp(40001, false), ftp(40002, false), ftp(40003, false))
	c := r.idle(t)
	checkHeld(t, "before the session", &c, 3, 0)
	r.send(t, ftp(50001, true))
	c = r.idle(t)
	checkHeld(t, "after it", &c, 0, 4)
	checkConservation(t, &c)
	if got := c.ingest.Oriented.ServerCalls; got != 3 {
		t.Errorf("%d server calls are marked", got)
	}
	other := newV5(time.Now().Add(-time.Hour))
	other.add(v5record{
		src: netip.MustParseAddr("203.0.113.22"), dst: netip.MustParseAddr("10.0.5.6"),
		srcPort: 20, dstPort: 40000, packets: 3, bytes: 180, flags: schema.SYN,
	})
	r.send(t, other.bytes())
	c = r.idle(t)
	checkHeld(t, "of another server", &c, 1, 4)
	r.stop()
	c = r.chain(r.played)
	checkHeld(t, "at the end", &c, 0, 5)
}

func checkHeld(t *testing.T, when string, c *chain, held, added uint64) {
	t.Helper()
	if c.ingest.Oriented.Held != held || c.ingest.Flows.Added != added {
		t.Errorf("%s %d flows are held and %d went on, want %d and %d", when, c.ingest.Oriented.Held, c.ingest.Flows.Added, held, added)
	}
}
