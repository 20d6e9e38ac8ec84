package flowfile

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/scanhound/scanhound/schema"
)

func TestADatagramIsPutTogetherFromItsFragmentsInAnyOrder(t *testing.T) {
	payload := append(v5(1), bytes.Repeat([]byte("x"), 4000)...)
	for name, from := range map[string]struct{ src, dst netip.AddrPort }{"IPv4": {exporter4, collect4}, "IPv6": {exporter6, collect6}} {
		all := fragmentsOf(ipPacketOf(t, from.src, from.dst, payload), 7)
		orders := map[string][][]byte{
			"in order":  all,
			"backwards": {all[2], all[1], all[0]},
			"shuffled":  {all[1], all[2], all[0]},
			"one twice": {all[0], all[0], all[1], all[2]},
		}
		for order, frames := range orders {
			t.Run(name+" "+order, func(t *testing.T) {
				r := stdin(pcap(t, layers.LinkTypeRaw, frames...))
				got := mustDatagrams(t, r)
				if len(got) != 1 || !bytes.Equal(got[0].Payload, payload) || got[0].From != from.src || got[0].To != from.dst {
					t.Fatalf("%d datagrams, or not what was sent", len(got))
				}
				if s := r.Stats().Packets; s.Fragments != uint64(len(frames)-1) || s.Incomplete != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

func TestFragmentsThatOverlapAreGivenUp(t *testing.T) {
	all := fragmentsOf(ipPacketOf(t, exporter4, collect4, append(v5(1), make([]byte, 4000)...)), 7)
	lie := slices.Clone(all[1])
	binary.BigEndian.PutUint16(lie[6:], binary.BigEndian.Uint16(lie[6:])-1)
	r := stdin(pcap(t, layers.LinkTypeRaw, ipPacketOf(t, exporter4, collect4, v5(1)), all[0], lie, all[2]))
	if got := mustDatagrams(t, r); len(got) != 1 || r.Stats().Packets.Incomplete != 2 {
		t.Errorf("%d datagrams, %+v; want the whole one, the overlapping given up, and its last piece waiting", len(got), r.Stats())
	}
}

func TestThePendingFragmentsAreBounded(t *testing.T) {
	var f fragments
	packet := ipPacketOf(t, exporter4, collect4, append(v5(1), make([]byte, 4000)...))
	add := func(id uint16, part int) []byte {
		h, ok := parseIP(fragmentsOf(packet, id)[part])
		if !ok || !h.piece {
			t.Fatal("not a fragment")
		}
		return f.add(&h, schema.TimeOf(recorded))
	}
	for id := range uint16(1000) {
		add(id, 0)
	}
	if len(f.pending) != maxPending || f.lost != 1000-maxPending {
		t.Errorf("%d are pending, %d lost", len(f.pending), f.lost)
	}
	if add(999, 1) != nil || add(999, 2) == nil {
		t.Error("the newest must still be there")
	}
	if add(1, 1) != nil || add(1, 2) != nil {
		t.Error("the oldest must be gone")
	}
}

func TestFragmentsThatCannotBeTrueAreGivenUp(t *testing.T) {
	for name, h := range map[string]ip{
		"empty":                 {more: true},
		"beyond 64 KB":          {offset: 65528, payload: make([]byte, 8)},
		"not of 8 bytes":        {payload: make([]byte, 9), more: true},
		"behind the last":       {offset: 24, payload: make([]byte, 8), more: true},
		"a second last":         {offset: 24, payload: make([]byte, 8)},
		"a last before another": {offset: 0, payload: make([]byte, 8)},
	} {
		var f fragments
		f.add(&ip{offset: 16, payload: make([]byte, 8)}, 0)
		if got := f.add(&h, 0); got != nil || f.lost != 1 || len(f.pending) != 0 {
			t.Errorf("%s: %x, %+v", name, got, f)
		}
	}
}

func TestAnOldFragmentDoesNotCompleteANewDatagram(t *testing.T) {
	packet := ipPacketOf(t, exporter4, collect4, append(v5(1), make([]byte, 2000)...))
	all := fragmentsOf(packet, 7)
	frames := [][]byte{all[0]}
	for range 61 { // the frames of a capture are a second apart
		frames = append(frames, ipPacketOf(t, exporter4, collect4, v5(2)))
	}
	frames = append(frames, all[1])
	r := stdin(pcap(t, layers.LinkTypeRaw, frames...))
	if got := mustDatagrams(t, r); len(got) != 61 || r.Stats().Packets.Incomplete != 2 {
		t.Errorf("%d datagrams, %+v", len(got), r.Stats().Packets)
	}
}

// fragmentsOf cuts an IP packet for an MTU of 1500.
func fragmentsOf(packet []byte, id uint16) [][]byte {
	const size = 1448 // a multiple of 8
	header := headerIPv4
	if packet[0]>>4 == 6 {
		header = headerIPv6
	}
	body := packet[header:]
	var all [][]byte
	for at := 0; at < len(body); at += size {
		end := min(at+size, len(body))
		p := slices.Clone(packet[:header])
		more := uint16(0)
		if end < len(body) {
			more = 1
		}
		if header == headerIPv4 {
			binary.BigEndian.PutUint16(p[2:], uint16(header+end-at))
			binary.BigEndian.PutUint16(p[4:], id)
			binary.BigEndian.PutUint16(p[6:], more<<13|uint16(at/8))
		} else {
			binary.BigEndian.PutUint16(p[4:], uint16(8+end-at))
			p[6] = fragmenting
			p = append(p, packet[6], 0)
			p = binary.BigEndian.AppendUint16(p, uint16(at)|more)
			p = binary.BigEndian.AppendUint32(p, uint32(id))
		}
		all = append(all, append(p, body[at:end]...))
	}
	return all
}
