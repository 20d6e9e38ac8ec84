package orient

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// saysNothing reports whether the word of an exporter that it is the source who began says no
// more than that nobody else sent anything: an answer whose question it has in another
// record, or did not see, looks alike. Without such a word a record is read as what it is, a
// half. A firewall's events are another matter: it knows for whom it opened. So are files,
// which have no exporter: Zeek, Suricata and Argus follow conversations before they write.
//
// Where the named side sent nothing at all, the other one is the source.
func saysNothing(f *schema.Flow, denied *uint64) bool {
	src, dst := sends(&f.Src), sends(&f.Dst)
	switch {
	case f.Event != 0 || src == dst || !f.Exporter.Addr.IsValid():
		return false
	case f.Proto == schema.TCP: // whose flags say more
		return loneSynAck(f)
	case dst:
		*denied++
		f.Swap()
	}
	return true
}

func sends(s *schema.Side) bool { return s.Packets > 0 || s.Bytes > 0 || s.TCPFlags != 0 }

// words is what the word of each exporter has been worth. One whose biflows begin with the
// lower address (softflowd -b) names the side that began by chance: some of its records are
// denied, and none begins with the higher one.
type words struct {
	of   map[netip.Addr]*word
	last netip.Addr // whose word was asked last
	word *word
}

type word struct {
	denied uint32 // records whose named side had not begun
	higher uint32 // records that begin with the higher address
}

const (
	wordsDenied = 4    // from which on a word is worth nothing, if it never names the higher address
	wordsMost   = 4096 // exporters
)

func (w *words) ask(exporter netip.Addr) *word {
	if w.word != nil && w.last == exporter {
		return w.word
	}
	of := w.of[exporter]
	if of == nil {
		if len(w.of) >= wordsMost {
			return nil
		}
		if w.of == nil {
			w.of = map[netip.Addr]*word{}
		}
		of = &word{}
		w.of[exporter] = of
	}
	w.last, w.word = exporter, of
	return of
}

// byWord takes the exporter's word for what it has been worth.
func (p *Pairing) byWord(f *schema.Flow) bool {
	if f.Initiator == schema.InitiatorUnknown {
		return false
	}
	by, denied := p.words.ask(f.Exporter.Addr), p.Stats.Denied
	if by != nil && f.Initiator == schema.InitiatorSrc && f.Dst.Addr.Less(f.Src.Addr) {
		by.higher++
	}
	told := byExporter(f, &p.Stats.Denied)
	if by == nil {
		return told
	}
	by.denied += uint32(p.Stats.Denied - denied)
	if told && f.Orientation == schema.OrientExporter && by.denied >= wordsDenied && by.higher == 0 {
		if swap, told := p.byPorts(f); told && swap {
			f.Swap()
			f.Orientation = schema.OrientService
		}
	}
	return told
}

// byPorts says which side of a conversation of both directions has the service, where the
// ports tell: a system port or a listed one, or over TCP one below those that clients dial from.
// What is left of a TCP session has no first packet that would say.
func (p *Pairing) byPorts(f *schema.Flow) (swap, told bool) {
	src, dst := p.serves(f.Src.Port), p.serves(f.Dst.Port)
	if src == dst && f.Proto == schema.TCP {
		src, dst = f.Src.Port < FirstEphemeral, f.Dst.Port < FirstEphemeral
	}
	return src, src != dst
}
