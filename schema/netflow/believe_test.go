package netflow_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/netflow"
)

// dns is a message about a name, with as many answers, all of them addresses.
func dns(id, flags uint16, answers int, name string) []byte {
	b := cat(u16(id), u16(flags), u16(1), u16(uint16(answers)), u32(0))
	for label := range strings.SplitSeq(name, ".") {
		b = cat(b, u8(uint8(len(label))), []byte(label))
	}
	b = cat(b, u8(0), u16(1), u16(1))
	for i := range answers {
		b = cat(b, u16(0xc00c), u16(1), u16(1), u32(300), u16(4), []byte{203, 0, 113, byte(i)})
	}
	return b
}

// edns adds the record of RFC 6891 to a message.
func edns(b []byte) []byte {
	be.PutUint16(b[10:], 1)
	return cat(b, u8(0), u16(41), u16(1232), u32(0), u16(0))
}

// tftp is a request or an error (RFC 1350).
func tftp(opcode uint16, rest string) []byte { return cat(u16(opcode), []byte(rest)) }

// isForeign fails unless nothing is taken from b.
func isForeign(t *testing.T, name string, b []byte) {
	t.Helper()
	ts := netflow.NewTemplates(netflow.Config{})
	d := netflow.NewDecoder(ts, netflow.Config{})
	flows, got := d.Decode(nil, exporterA, arrived, b)
	if got != netflow.Foreign && got != netflow.Short || len(flows) > 0 {
		t.Errorf("%s: %d flows, %v: %x", name, len(flows), got, b)
	}
	if d.Header() != (netflow.Header{}) || len(ts.Missing()) > 0 || len(ts.List()) > 0 || d.Stats().Records.Seen > 0 {
		t.Errorf("%s left something: %+v, %v", name, d.Header(), ts.Missing())
	}
}

func TestWhatIsNoneOfOursIsForeign(t *testing.T) {
	versions := []uint16{1, 5, 7, 9, 10}
	names := []string{"a", "example.org", "www.example.net", "a-rather-long-label-of-a-name.with.several.labels.example.com"}
	for _, id := range versions {
		for _, name := range names {
			for n := range 60 {
				isForeign(t, "an answer", dns(id, 0x8180, n, name))
				isForeign(t, "an authority's answer", dns(id, 0x8500, n, name))
				isForeign(t, "an answer with EDNS", edns(dns(id, 0x81a0, n, name)))
			}
			for _, flags := range []uint16{0x0100, 0x0120, 0x0000, 0x0010, 0x2800, 0x8183} {
				isForeign(t, "a question", dns(id, flags, 0, name))
				isForeign(t, "a question with EDNS", edns(dns(id, flags, 0, name)))
			}
		}
	}
	isForeign(t, "a read request", tftp(1, "pxelinux.cfg/01-02-00-00-00-00-01\x00octet\x00blksize\x001408\x00"))
	isForeign(t, "a short read request", tftp(1, "boot.ipxe\x00octet\x00"))
	isForeign(t, "an error", tftp(5, "\x00\x01File not found\x00"))
	for n := range 600 {
		isForeign(t, "an error that has much to say", tftp(5, "\x00\x02"+strings.Repeat("Access violation, says the server. ", 20)[:n]+"\x00"))
	}
	isForeign(t, "STUN", cat(u16(1), u16(0), u32(0x2112a442), []byte("twelve bytes")))
	isForeign(t, "STUN with an attribute", cat(u16(1), u16(8), u32(0x2112a442), []byte("twelve bytes"), u16(3), u16(4), u32(6)))
	isForeign(t, "v5 of more records than a datagram may have, and one less than it says", v5(32, slices.Repeat([][]byte{v5record(6, 1, 2)}, 31)...))
}

func TestRandomBytesBehindAVersionAreRarelyBelieved(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	believed := 0
	for range 200_000 {
		b := make([]byte, 24+r.IntN(1100)) // a full datagram is believed whatever it holds: two cases of logstash
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		be.PutUint16(b, []uint16{1, 5, 7}[r.IntN(3)])
		if flows := decode(decoder(), b); len(flows) > 0 {
			believed++
		}
	}
	if believed > 20 {
		t.Errorf("%d of 200,000 gave flows", believed)
	}
}

func TestAnExporterThatSaysTheWrongLengthIsBelievedIfItsRecordsAreFlows(t *testing.T) {
	r5, r48, r52 := v5record(6, 40000, 22), v1record[:48], v1record
	undated := func(b []byte) []byte { b = slices.Clone(b); be.PutUint32(b[8:], 5); return b }
	for _, c := range []struct {
		name  string
		b     []byte
		flows int
		want  netflow.Outcome
	}{
		{"a clock that was never set", undated(v5(2, r5, r5)), 2, netflow.Decoded},
		{"and one record too few", undated(v5(3, r5, r5)), 0, netflow.Foreign},
		{"a count that lies", v5(1234, r5, r5), 2, netflow.Truncated},
		{"a count of one more", v5(3, r5, r5), 2, netflow.Truncated},
		{"a count of one less", v5(1, r5, r5), 1, netflow.Decoded},
		{"a record that was cut", v5(3, r5, r5, r5[:47]), 2, netflow.Truncated},
		{"two PDUs", v5(1, r5, v5(1, r5)), 1, netflow.Decoded},
		{"zeros behind the records", v5(1, r5, make([]byte, 77)), 1, netflow.Decoded},
		{"something else behind the records", v5(1, r5, []byte(strings.Repeat("x", 77))), 0, netflow.Foreign},
		{"a few bytes behind the records", v5(1, r5, []byte("tail")), 1, netflow.Decoded},
		{"two PDUs of v1 of 52 bytes", v1(1, r52, v1(1, r52)), 1, netflow.Decoded},
		{"two PDUs of v1 of 48 bytes", v1(1, r48, v1(1, r48)), 1, netflow.Decoded},
		{"v1 of 48 bytes", v1(3, r48, r48, r48), 3, netflow.Decoded},
		{"12 records of v1 of 52 bytes, as long as 13 of 48", v1(12, slices.Repeat([][]byte{r52}, 12)...), 12, netflow.Decoded},
		{"13 records of v1 of 48 bytes, as long as 12 of 52", v1(13, slices.Repeat([][]byte{r48}, 13)...), 13, netflow.Decoded},
		{"24 records of v1", v1(24, slices.Repeat([][]byte{r48}, 24)...), 24, netflow.Decoded},
		{"29 records of v1, as softflowd sends them", v1(29, slices.Repeat([][]byte{r48}, 29)...), 29, netflow.Decoded},
		{"28 of 29", v1(29, slices.Repeat([][]byte{r48}, 28)...), 0, netflow.Foreign},
		{"v1 of 52 bytes that was cut", v1(3, r52, r52, r52[:30]), 2, netflow.Truncated},
		{"v7 of one too many", v7(2, v7record), 1, netflow.Truncated},
	} {
		flows, got := decoder().Decode(nil, exporterA, arrived, c.b)
		if len(flows) != c.flows || got != c.want {
			t.Errorf("%s: %d flows, %v; want %d, %v", c.name, len(flows), got, c.flows, c.want)
		}
		for i := range flows {
			if f := &flows[i]; f.Src.Addr.String() != "198.51.100.7" || f.Dst.Port != 22 || f.Src.TCPFlags != schema.SYN || f.Proto != 6 {
				t.Errorf("%s: flow %d is %+v", c.name, i, f)
			}
		}
	}
}
