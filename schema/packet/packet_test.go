package packet_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/packet"
)

// unhex reads bytes as a person writes them, with blanks.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

const (
	syn   = "45080028 00000000 3f060000 c6336407 cb007109 9c400016 00000000 00000000 50020000 00000000"
	synV6 = "60000000 00140640 20010db8000000000000000000000001 20010db8000000000000000000000002 9c400016 00000000 00000000 50020000 00000000"
)

func TestTheFirstBitsOfIPSayItsVersion(t *testing.T) {
	for bytes, want := range map[string]string{syn: "198.51.100.7", synV6: "2001:db8::1"} {
		var r packet.Reader
		var f schema.Flow
		if v := r.Read(&f, packet.IP, unhex(t, bytes)); v != packet.Found || f.Src.Addr.String() != want || f.Dst.Port != 22 || f.Src.TCPFlags != schema.SYN || r.Inner() {
			t.Errorf("%v, %+v", v, f)
		}
	}
	for _, c := range []struct {
		link  packet.Link
		bytes string
		want  packet.Verdict
	}{
		{packet.IP, "", packet.Cut}, {packet.IP, "35", packet.NotIP}, {packet.IP, syn[:40], packet.Cut},
		{packet.Unknown, syn, packet.NotIP}, {packet.Link(99), syn, packet.NotIP}, {packet.PPP, "00", packet.Cut},
	} {
		var r packet.Reader
		var f schema.Flow
		if got := r.Read(&f, c.link, unhex(t, c.bytes)); got != c.want || f != (schema.Flow{}) {
			t.Errorf("link %d, %q: %v, want %v, %+v", c.link, c.bytes, got, c.want, f)
		}
	}
}

// What a reader says of counters is the caller's: only ports and flags are its own.
func TestOnlyPortsAndFlagsAreToldByAHeader(t *testing.T) {
	var r packet.Reader
	f := schema.Flow{Src: schema.Side{Packets: 9, Untold: schema.UntoldFlags | schema.UntoldPort | schema.UntoldBytes}, Dst: schema.Side{Untold: schema.UntoldSent | schema.UntoldPort}}
	r.Read(&f, packet.IPv4, unhex(t, syn))
	if f.Src.Packets != 9 || f.Src.Untold != schema.UntoldBytes || f.Dst.Untold != schema.UntoldSent {
		t.Errorf("%+v", f)
	}
	inner := "4500003c 00000000 40040000 c000020a c0000214" + syn
	if r.Read(&f, packet.IPv4, unhex(t, inner)); !r.Inner() || f.Src.Addr.String() != "198.51.100.7" {
		t.Errorf("%+v", f)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{syn, synV6, "3001880b 0030 0007 00000009 ff03 0021" + syn} {
		for link := range uint8(8) {
			f.Add(link, unhex(f, s))
		}
	}
	f.Fuzz(func(t *testing.T, link uint8, b []byte) {
		var r packet.Reader
		var flow schema.Flow
		switch v := r.Read(&flow, packet.Link(link), b); {
		case v > packet.Found:
			t.Fatalf("verdict %d", v)
		case v == packet.Found && (!flow.Src.Addr.IsValid() || !flow.Dst.Addr.IsValid()):
			t.Fatalf("found without addresses: %+v", flow)
		case v != packet.Found && flow.Src.Addr.IsValid():
			t.Fatalf("not found, and filled: %+v", flow)
		}
		if n := testing.AllocsPerRun(1, func() { r.Read(&flow, packet.Link(link), b) }); n != 0 {
			t.Fatalf("%v allocations", n)
		}
	})
}
