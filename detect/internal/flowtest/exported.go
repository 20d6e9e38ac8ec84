package flowtest

import "github.com/scanhound/scanhound/schema"

// Exported is what an exporter leaves out of a flow, or tells instead of it.
var Exported = map[string]func(*schema.Flow){
	"created":         func(f *schema.Flow) { event(f, 1); f.Src.Bytes, f.Dst.Bytes = 0, 0; lack(f, schema.UntoldBytes) },
	"deleted":         func(f *schema.Flow) { event(f, 2) },
	"denied":          func(f *schema.Flow) { event(f, 3); f.Src.Bytes = 0; lack(f, schema.UntoldBytes) },
	"translated":      func(f *schema.Flow) { withoutPackets(f); *f = translation(*f) },
	"without-packets": withoutPackets,
	"without-ports":   func(f *schema.Flow) { f.Src.Port, f.Dst.Port = 0, 0; lack(f, schema.UntoldPort) },
	"fragments":       func(f *schema.Flow) { f.Src.Port, f.Dst.Port = 0, 0 },
}

func lack(f *schema.Flow, u schema.Untold) {
	f.Src.Untold |= u
	f.Dst.Untold |= u
}

// event makes f a record of a firewall that counts bytes and no packets.
func event(f *schema.Flow, n uint8) {
	f.Event = n
	f.Initiator = schema.InitiatorSrc
	withoutPackets(f)
}

func withoutPackets(f *schema.Flow) {
	f.Src.Packets, f.Dst.Packets, f.Src.TCPFlags, f.Dst.TCPFlags = 0, 0, 0, 0
	lack(f, schema.UntoldPackets|schema.UntoldFlags)
}

// translation is what an address translator says of the flow: that there is one.
func translation(f schema.Flow) schema.Flow {
	f.NATEvent = 1
	f.Src.Bytes, f.Dst.Bytes = 0, 0
	lack(&f, schema.UntoldSent)
	return f
}
