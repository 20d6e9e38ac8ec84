package netflow

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// Header is what a datagram says of itself. The zero Header is that of bytes that are none.
type Header struct {
	Type     schema.FlowType
	Version  uint16        // 1, 5, 7, 9, 10 for IPFIX; 5 for sFlow too
	Domain   uint32        // as in the flows
	Port     uint16        // of the exporter, if templates were announced from it: several exporters may share an address
	Agent    netip.Addr    // sFlow: the exporter's own idea of its address
	Sequence uint32        // of the first unit; always 0 in v1, which has none
	Units    uint32        // how much this datagram should advance the sequence
	Records  uint32        // of flows, for exporters that count those
	Open     bool          // IPFIX: there are more units, which could not be counted
	Export   schema.Time   // when it was sent by the exporter's clock; 0 in sFlow
	Uptime   time.Duration // of the exporter at that time; 0 in IPFIX
}

// Header returns the header of the last datagram, for the caller's account of each exporter: what was
// lost on the way ([Sequence]), and how far the exporter's clock is off. Units are flows in v5 and v7,
// data records in IPFIX, datagrams in v9 and sFlow.
func (d *Decoder) Header() Header { return d.header }

// say notes the header; d.base and d.clock are those of the datagram.
func (d *Decoder) say(version uint16, units uint32) {
	e := &d.base.Exporter
	d.header = Header{
		Type: e.Type, Version: version, Domain: e.Domain, Sequence: e.Sequence, Units: units, Records: units,
		Export: d.clock.export, Uptime: time.Duration(d.clock.uptime) * time.Millisecond,
	}
}
