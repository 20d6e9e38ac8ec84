package netflow

import (
	"encoding/binary"

	"github.com/scanhound/scanhound/schema"
)

// option is what one options record says that we care for.
type option struct {
	sampled
	iface uint32 // of which it speaks, 0 is none
	boot  schema.Time
}

// option reads one options record.
func (d *Decoder) option(t *template, rec []byte, ops []op) {
	var o option
	for _, op := range ops {
		v := binary.BigEndian.Uint64(rec[op.at:]) >> op.shift
		switch op.kind {
		case srcInterface:
			o.iface = uint32(v)
		case boot:
			o.boot = milliseconds(v)
		default:
			o.sampled.set(op.kind, v)
		}
	}
	if o.given || o.boot != 0 {
		d.templates.learn(t.session, o, d.base.Received)
		d.templates.tell()
	}
}
