package detect

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// callBacks remembers which hosts lately opened a session that the other side
// answers with a connection of its own: data of active FTP, which comes from port
// 20 (RFC 959), or a question after the user, which goes to port 113 (RFC 1413).
// Such a connection often fails, at a firewall before the client, and a server
// with many clients would look like a scanner. Its partition has not seen the
// sessions: they are in those of the clients. So ingest marks the flow.
//
// It is a fixed direct-mapped table; what is forgotten costs a guard. A record
// that comes before that of its session is not marked either: exporters send a
// session when it ends, or every active timeout.
type callBacks struct {
	slots  [callBackSlots]callBackSlot
	maybes []int // flows of the batch that may be call-backs
}

type callBackSlot struct {
	key  uint64 // hash of client and server
	seen schema.Time
}

const (
	callBackSlots = 1 << 14 // 16 bytes each
	callBackFor   = time.Hour
	ftpData       = 20
	ident         = 113
)

// callsBack reports whether servers of a port connect to their clients: FTP, and
// those that ask ident: mail servers (Sun Java System Messaging Server 6.3,
// "IDENT Lookups"; sendmail's Timeout.ident), FTP (ProFTPD's IdentLookups),
// PostgreSQL ("Ident Authentication"), IRC.
func callsBack(port uint16) bool {
	switch port {
	case 21, 25, 110, 143, 465, 587, 5432, 6667, 6697:
		return true
	}
	return false
}

// look notes what flow i of a batch says of call-backs. All of a batch is looked
// at before anything is marked: a session may stand behind its own call-back.
func (c *callBacks) look(i int, f *schema.Flow) {
	switch {
	case f.Proto != schema.TCP:
	case f.Src.Port == ftpData || f.Dst.Port == ident:
		c.maybes = append(c.maybes, i)
	case callsBack(f.Dst.Port) && begun(f):
		s, key := c.slot(&f.Src, &f.Dst)
		*s = callBackSlot{key, max(f.EventTime(), f.End)}
	}
}

// mark marks the call-backs of the batch and returns how many there were.
func (c *callBacks) mark(flows []schema.Flow) (marked uint64) {
	for _, i := range c.maybes {
		f := &flows[i]
		s, key := c.slot(&f.Dst, &f.Src)
		if t := f.EventTime(); s.key == key && t.Sub(s.seen) <= callBackFor && s.seen.Sub(t) <= callBackFor {
			f.Hints |= schema.HintCallBack
			marked++
		}
	}
	c.maybes = c.maybes[:0]
	return marked
}

func (c *callBacks) slot(client, server *schema.Side) (*callBackSlot, uint64) {
	key := schema.Mix64(endpointHash(client.Addr, 0)^schema.Mix64(endpointHash(server.Addr, 1))) | 1
	return &c.slots[key>>1%callBackSlots], key
}

// begun reports whether a session began: a SYN alone buys nobody a call-back.
func begun(f *schema.Flow) bool {
	src, dst := sideOf(f.Src), sideOf(f.Dst)
	if f.Dst.Packets > 0 {
		return dst&schema.RST == 0 || dst&schema.PSH != 0
	}
	return src&schema.ACK != 0 || src == 0 && f.Src.Packets > maxSilent
}
