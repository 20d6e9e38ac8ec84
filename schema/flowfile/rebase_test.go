package flowfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"github.com/scanhound/scanhound/lab"
)

// Two years and some seconds: what it takes to play an old recording now.
const shift = 2*365*24*time.Hour + 7*time.Second

func TestRebaseMovesEveryClockAndNothingElse(t *testing.T) {
	recordings := map[string][]Datagram{}
	all, err := lab.Captures()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		recordings[c.Name] = mustDatagrams(t, Open([]string{file(t, c.Zst)}, nil))
	}
	recordings["made"] = madeIPFIX()
	moved := map[uint16]int{}
	for name, recording := range recordings {
		proveRebase(t, name, recording, moved)
	}
	for _, element := range []uint16{150, 151, 152, 153, 154, 155, 156, 157, 160, 258, 322, 323, 324, 325} {
		if moved[element] == 0 {
			t.Errorf("no record had a time in element %d", element)
		}
	}
}

func TestRebaseMovesTheClocksOfTheCorpora(t *testing.T) {
	moved := map[uint16]int{}
	for _, name := range corpusFiles(t, "decoder", "logstash", "pcap", "*.pcap") {
		proveRebase(t, name, mustDatagrams(t, Open([]string{name}, nil)), moved)
	}
	if moved[152] == 0 || moved[323] == 0 {
		t.Errorf("moved %v, want IPFIX's flowStartMilliseconds and the ASA's observationTimeMilliseconds among them", moved)
	}
}

// proveRebase compares what goflow2 reads before and after, field by field, and
// counts in moved the absolute times that it met.
func proveRebase(t *testing.T, name string, recording []Datagram, moved map[uint16]int) {
	t.Helper()
	var r Rebaser
	before, after := newOracle(), newOracle()
	for i, d := range recording {
		b := slices.Clone(d.Payload)
		if err := r.Rebase(d.From.Addr(), b, shift); err != nil {
			t.Fatalf("%s: datagram %d: %v", name, i, err)
		}
		want, ok := before.read(d.Payload)
		got, okAfter := after.read(b)
		if ok != okAfter || len(want) != len(got) {
			t.Fatalf("%s: datagram %d: read %v with %d fields, then %v with %d", name, i, ok, len(want), okAfter, len(got))
		}
		for j := range want {
			if want[j].time != 0 && len(want[j].value) > 0 {
				moved[want[j].element]++
				want[j].move()
			}
		}
		if !slices.EqualFunc(want, got, reading.equal) {
			t.Fatalf("%s: datagram %d: %s", name, i, cmp.Diff(want, got, cmp.AllowUnexported(reading{})))
		}
		if err := r.Rebase(d.From.Addr(), b, -shift); err != nil || !bytes.Equal(b, d.Payload) {
			t.Fatalf("%s: datagram %d does not come back: %v", name, i, err)
		}
	}
	if len(recording) == 0 {
		t.Errorf("%s is empty", name)
	}
}

// reading is one thing that goflow2 read.
type reading struct {
	name    string
	element uint16
	value   []byte
	time    stepKind // how the test, not the package, reads the RFC
}

func (r reading) equal(o reading) bool { return r.name == o.name && bytes.Equal(r.value, o.value) }

func (r *reading) move() {
	switch r.time {
	case stepMilliseconds:
		if v := binary.BigEndian.Uint64(r.value); v != 0 {
			r.value = binary.BigEndian.AppendUint64(nil, v+uint64(shift.Milliseconds()))
		}
	case stepSeconds, stepNTP:
		if v := binary.BigEndian.Uint32(r.value); v != 0 {
			r.value = append(binary.BigEndian.AppendUint32(nil, v+uint32(shift.Seconds())), r.value[4:]...)
		}
	}
}

// oracle is goflow2.
type oracle struct{ templates netflow.NetFlowTemplateSystem }

func newOracle() oracle { return oracle{netflow.CreateTemplateSystem()} }

func (o oracle) read(b []byte) (all []reading, ok bool) {
	add := func(name string, v any) { all = append(all, reading{name: name, value: fmt.Append(nil, v)}) }
	clock := func(v uint32) {
		all = append(all, reading{"header", 0, binary.BigEndian.AppendUint32(nil, v), stepSeconds})
	}
	if binary.BigEndian.Uint16(b) == netflow5 {
		var p netflowlegacy.PacketNetFlowV5
		err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(b), &p)
		clock(p.UnixSecs)
		p.UnixSecs = 0
		p.Records = p.Records[:min(len(p.Records), 30)] // more is a header that lies
		add("v5", p)
		return all, err == nil
	}
	var v9 netflow.NFv9Packet
	var messages netflow.IPFIXPacket
	err := netflow.DecodeMessageVersion(bytes.NewBuffer(b), o.templates, &v9, &messages)
	sets := v9.FlowSets
	if v9.Version == netflow9 {
		clock(v9.UnixSeconds)
		v9.UnixSeconds, v9.FlowSets = 0, nil
		add("v9", v9)
	} else {
		clock(messages.ExportTime)
		sets = messages.FlowSets
		messages.ExportTime, messages.FlowSets = 0, nil
		add("IPFIX", messages)
	}
	for _, set := range sets {
		switch set := set.(type) {
		case netflow.DataFlowSet:
			for _, record := range set.Records {
				all = append(all, readings(record.Values)...)
			}
		case netflow.OptionsDataFlowSet:
			for _, record := range set.Records {
				all = append(all, readings(record.ScopesValues)...)
				all = append(all, readings(record.OptionsValues)...)
			}
		default:
			add("set", set)
		}
	}
	return all, err == nil
}

func readings(fields []netflow.DataField) (all []reading) {
	for _, f := range fields {
		value, _ := f.Value.([]byte)
		r := reading{name: fmt.Sprint(f.Type, f.Pen), element: f.Type & 0x7fff, value: value}
		if f.PenProvided && f.Pen != 29305 {
			r.element = 0
		} else if len(value) == 4 && slices.Contains([]uint16{150, 151, 322}, r.element) {
			r.time = stepSeconds
		} else if len(value) == 8 && slices.Contains([]uint16{152, 153, 160, 258, 323}, r.element) {
			r.time = stepMilliseconds
		} else if len(value) == 8 && slices.Contains([]uint16{154, 155, 156, 157, 324, 325}, r.element) {
			r.time = stepNTP
		}
		all = append(all, r)
	}
	return all
}

// madeIPFIX has every absolute time, after a field of variable length and
// before the reverse of one, in flows and in options; some are not known.
func madeIPFIX() []Datagram {
	type field struct {
		element    uint16
		size       uint16
		enterprise uint32
	}
	fields := []field{{82, variable, 0}, {150, 4, 0}, {151, 4, 0}, {4, 1, 0}, {152, 8, 0}, {153, 8, 0},
		{154, 8, 0}, {155, 8, 0}, {156, 8, 0}, {157, 8, 0}, {160, 8, 0}, {258, 8, 0}, {322, 4, 0}, {323, 8, 0},
		{324, 8, 0}, {325, 8, 0}, {152, 8, reverse}, {152, 8, 4242}, {152, 4, 0}, {150, 8, 0}}
	set := func(id uint16, body []byte) []byte {
		return append(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, id), uint16(4+len(body))), body...)
	}
	specifiers := func() (b []byte) {
		for _, f := range fields {
			if f.enterprise != 0 {
				f.element |= 0x8000
			}
			b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, f.element), f.size)
			if f.enterprise != 0 {
				b = binary.BigEndian.AppendUint32(b, f.enterprise)
			}
		}
		return b
	}()
	count := byte(len(fields))
	record := func(name []byte, fill byte) []byte {
		b := slices.Clone(name)
		for _, f := range fields[1:] {
			b = append(b, bytes.Repeat([]byte{fill}, int(f.size))...)
		}
		return b
	}
	long := append([]byte{255, 1, 4}, bytes.Repeat([]byte("n"), 260)...)
	data := slices.Concat(record([]byte{2, 'e', '0'}, 0x30), record(long, 0x31), record([]byte{0}, 0), []byte{0, 0, 0})
	body := slices.Concat(
		set(setTemplateIPFIX, append([]byte{1, 0, 0, count}, specifiers...)),
		set(setOptionsIPFIX, append([]byte{1, 1, 0, count, 0, 1}, specifiers...)),
		set(256, data), set(257, data))
	head := []byte{0, 10, 0, 0, 0x65, 0x53, 0xf1, 0, 0, 0, 0, 1, 0, 0, 0, 2}
	binary.BigEndian.PutUint16(head[2:], uint16(headerIPFIX+len(body)))
	return []Datagram{{From: exporter4, Payload: append(head, body...)}}
}

func TestTemplatesBelongToTheirExporterAndDomain(t *testing.T) {
	made := madeIPFIX()[0].Payload
	templates := headerIPFIX + int(binary.BigEndian.Uint16(made[headerIPFIX+2:]))
	templates += int(binary.BigEndian.Uint16(made[templates+2:]))
	dataOnly := slices.Concat(made[:headerIPFIX], made[templates:])
	otherDomain := slices.Clone(dataOnly)
	otherDomain[15]++
	for name, c := range map[string]struct {
		from    netip.Addr
		payload []byte
		unknown uint64
	}{
		"its own":          {exporter4.Addr(), dataOnly, 0},
		"another exporter": {exporter6.Addr(), dataOnly, 2},
		"another domain":   {exporter4.Addr(), otherDomain, 2},
	} {
		var r Rebaser
		if err := r.Rebase(exporter4.Addr(), slices.Clone(made), shift); err != nil {
			t.Fatal(err)
		}
		b := slices.Clone(c.payload)
		if err := r.Rebase(c.from, b, shift); err != nil || r.Unknown() != c.unknown {
			t.Errorf("%s: %d sets are unknown, %v", name, r.Unknown(), err)
		}
		if same := bytes.Equal(b[headerIPFIX:], c.payload[headerIPFIX:]); same != (c.unknown > 0) {
			t.Errorf("%s: the records stay as they were: %v", name, same)
		}
	}
}

func TestAWithdrawnTemplateIsForgotten(t *testing.T) {
	made := madeIPFIX()[0].Payload
	var r Rebaser
	r.Rebase(exporter4.Addr(), slices.Clone(made), shift)
	withdrawal := append(slices.Clone(made[:headerIPFIX]), 0, setTemplateIPFIX, 0, 8, 1, 0, 0, 0, 0, setOptionsIPFIX, 0, 8, 1, 1, 0, 0)
	r.Rebase(exporter4.Addr(), withdrawal, shift)
	if len(r.templates) != 0 {
		t.Errorf("%d templates are left", len(r.templates))
	}
}

func TestTheTemplatesThatAreKeptAreBounded(t *testing.T) {
	var r Rebaser
	for domain := range uint32(maxTemplates + 100) {
		b := []byte{0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1, 0, 0, 1, 0, 152, 0, 8}
		binary.BigEndian.PutUint32(b[16:], domain)
		if err := r.Rebase(exporter4.Addr(), b, shift); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.templates) != maxTemplates {
		t.Errorf("%d templates are kept, want %d", len(r.templates), maxTemplates)
	}
}

func TestWhatNoExporterSendsIsNotRebased(t *testing.T) {
	for want, payload := range map[string][]byte{
		"a datagram of version 7 cannot be moved in time: known are NetFlow 5 and 9, IPFIX (10) and sFlow 5": append([]byte{0, 7}, make([]byte, 60)...),
		"a datagram of version 9 has 19 bytes, its header alone has 20":                                      append([]byte{0, 9}, make([]byte, 17)...),
		"a datagram of 3 bytes has no version":                                                               {0, 10, 0},
	} {
		old := slices.Clone(payload)
		if err := new(Rebaser).Rebase(exporter4.Addr(), payload, shift); err == nil || err.Error() != want || !bytes.Equal(old, payload) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	sflow := append([]byte{0, 0, 0, 5}, make([]byte, 24)...)
	if err := new(Rebaser).Rebase(exporter4.Addr(), sflow, shift); err != nil || !bytes.Equal(sflow, append([]byte{0, 0, 0, 5}, make([]byte, 24)...)) {
		t.Errorf("sFlow says no time of day: %v, %x", err, sflow)
	}
}

func TestAPartOfASecondIsRoundedDown(t *testing.T) {
	for d, want := range map[time.Duration]uint32{1500 * time.Millisecond: 1_700_000_001, -1: 1_699_999_999, -time.Second: 1_699_999_999} {
		b := v5(1)
		if err := new(Rebaser).Rebase(exporter4.Addr(), b, d); err != nil || binary.BigEndian.Uint32(b[8:]) != want || binary.BigEndian.Uint32(b[12:]) != 42 {
			t.Errorf("%v: %d, want %d; %v", d, binary.BigEndian.Uint32(b[8:]), want, err)
		}
	}
}
