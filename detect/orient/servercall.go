package orient

import (
	"time"

	"github.com/scanhound/scanhound/detect/internal/lossy"
	"github.com/scanhound/scanhound/schema"
)

// serverCalls remembers which hosts lately opened a session that the other side
// answers with a connection of its own: data of active FTP, which comes from port
// 20 (RFC 959), or a question after the user, which goes to port 113 (RFC 1413).
// Such a connection often fails, at a firewall before the client, and a server
// with many clients would look like a scanner. Its partition has not seen the
// sessions: they are in those of the clients. So ingest marks the flow.
//
// A record often comes before that of its session: exporters send a session when it
// ends, or every active timeout. So what may be a server call can be held (held.go).
type serverCalls struct {
	lossy.Table[serverCallSlot]
	servers  lossy.Table[serverCallSlot] // of these sessions
	maybes   []int                       // flows of the batch that may be server calls
	unmarked []int                       // of these, those that may wait for their session
	held     held
}

type serverCallSlot struct {
	key  uint64 // hash of client and server, or of a server
	seen schema.Time
}

const (
	serverCallSlots = 1 << 14 // 16 bytes each
	serverCallFor   = time.Hour
	ftpData         = 20
	handshake       = 3 // packets of one side before there is data
	ident           = 113
)

// callsClients reports whether servers of a port connect to their clients: FTP, and
// those that ask ident: mail servers (Sun Java System Messaging Server 6.3,
// "IDENT Lookups"; sendmail's Timeout.ident), FTP (ProFTPD's IdentLookups),
// PostgreSQL ("Ident Authentication"), IRC.
func callsClients(port uint16) bool { return clientCallers.has(port) }

var clientCallers = newServices([]uint16{21, 25, 110, 143, 465, 587, 5432, 6667, 6697})

// note notes what flow i of a batch says of server calls. All of a batch is looked
// at before anything is marked: a session may stand behind its own server call.
func (c *serverCalls) note(i int, f *schema.Flow) {
	switch {
	case f.Proto != schema.TCP:
	case f.Src.Port == ftpData || f.Dst.Port == ident:
		c.maybes = append(c.maybes, i)
	case callsClients(f.Dst.Port) && begun(f):
		c.Make(serverCallSlots)
		c.servers.Make(serverSlots)
		s, key := c.of(&f.Src, &f.Dst)
		*s = serverCallSlot{key, max(f.EventTime(), f.End)}
		if len(c.held.flows) > 0 && c.held.waiting[key] > 0 {
			c.held.known = true
		}
		s, key = c.server(&f.Dst)
		*s = serverCallSlot{key, f.EventTime()}
	}
}

// mark marks the server calls of the batch and returns how many there were.
func (c *serverCalls) mark(flows []schema.Flow) (marked uint64) {
	c.unmarked = c.unmarked[:0]
	for _, i := range c.maybes {
		f := &flows[i]
		if c.called(f) {
			f.Hints |= schema.HintServerCall
			marked++
		} else if c.mayWait(f) {
			c.unmarked = append(c.unmarked, i)
		}
	}
	c.maybes = c.maybes[:0]
	return marked
}

// called reports whether the client of a maybe is known to have a session with its server.
func (c *serverCalls) called(f *schema.Flow) bool {
	s, key := c.of(&f.Dst, &f.Src)
	t := f.EventTime()
	return s != nil && s.key == key && t.Sub(s.seen) <= serverCallFor && s.seen.Sub(t) <= serverCallFor
}

// of is the slot of a client and a server, nil while there is none, and their key.
func (c *serverCalls) of(client, server *schema.Side) (*serverCallSlot, uint64) {
	key := schema.Mix64(socket(client.Addr, 0)^schema.Mix64(socket(server.Addr, 1))) | 1
	return c.Slot(key >> 1), key
}

// begun reports whether a session began: a SYN alone buys nobody a server call.
func begun(f *schema.Flow) bool {
	src, dst := sideOf(&f.Src), sideOf(&f.Dst)
	if f.Dst.Packets > 0 {
		return dst&schema.RST == 0 || dst&schema.PSH != 0
	}
	return src&schema.ACK != 0 || src == 0 && f.Src.Packets > handshake
}
