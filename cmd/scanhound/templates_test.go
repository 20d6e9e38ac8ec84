package main

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// v9 builds NetFlow v9 datagrams of one exporter: addresses, ports, protocol,
// flags, packets and bytes.
var v9Fields = [][2]uint16{{8, 4}, {12, 4}, {7, 2}, {11, 2}, {4, 1}, {6, 1}, {2, 4}, {1, 4}}

func v9Header(at time.Time, sequence uint32) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b[0:], 9)
	binary.BigEndian.PutUint16(b[2:], 1)
	binary.BigEndian.PutUint32(b[4:], uptime)
	binary.BigEndian.PutUint32(b[8:], uint32(at.Unix()))
	binary.BigEndian.PutUint32(b[12:], sequence)
	return b
}

func v9Template(at time.Time, sequence uint32) []byte {
	b := v9Header(at, sequence)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(8+4*len(v9Fields)))
	b = binary.BigEndian.AppendUint16(b, 256)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v9Fields)))
	for _, f := range v9Fields {
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, f[0]), f[1])
	}
	return b
}

// v9Data is SYNs from 198.51.100.n to 22/tcp of 20 hosts.
func v9Data(at time.Time, sequence uint32, n byte) []byte {
	const records = 20
	b := v9Header(at, sequence)
	b = binary.BigEndian.AppendUint16(b, 256)
	b = binary.BigEndian.AppendUint16(b, 4+records*22)
	for i := range byte(records) {
		b = append(b, 198, 51, 100, n, 10, 0, 0, i)
		b = binary.BigEndian.AppendUint16(b, 40000)
		b = binary.BigEndian.AppendUint16(b, 22)
		b = append(b, schema.TCP, schema.SYN, 0, 0, 0, 1, 0, 0, 0, 44)
	}
	return b
}

func TestATemplateThatOneIngestHeardServesTheOtherAndTheNextStart(t *testing.T) {
	onEachKafka(t, func(t *testing.T, brokers []string) {
		at := time.Now().Add(-time.Hour)
		c := settingsOf(t, brokers)
		first := start(t, c)
		other := *c
		other.alerter.NATS.URL = []string{fakeNATS(t)}
		other.detector.Group += ".other"
		other.alerter.Group += ".other"
		second := start(t, &other)
		// The exporter sends its template to one, and then, rerouted, its data to the other.
		second.send(t, v9Data(at, 2, 7))
		waitFor(t, "the data waits", func() bool { return second.ingest.Stats().Templates.Waiting.Waiting.Sets == 1 })
		first.send(t, v9Template(at, 1))
		waitFor(t, "what waited is decoded", func() bool { return second.ingest.Stats().Decoded.Records.Flows == 20 })
		if w := second.ingest.Stats().Templates.Waiting; w.Recovered.Sets != 1 || w.Lost.Sets != 0 {
			t.Errorf("%+v", w)
		}
		first.stop()
		second.stop()
		third := start(t, c)
		third.send(t, v9Data(at, 3, 8))
		waitFor(t, "the next start decodes at once", func() bool { return third.ingest.Stats().Decoded.Records.Flows == 20 })
		if w := third.ingest.Stats().Templates.Waiting; w.Seen.Sets != 0 {
			t.Errorf("it had to wait: %+v", w)
		}
	})
}

func TestTheAccountsOfAnExporterTellWhatIsMissing(t *testing.T) {
	at := time.Now().Add(-time.Hour)
	r := start(t, settingsOf(t, fakeKafka(t)))
	r.send(t, v9Template(at, 1), v9Data(at, 2, 7), v9Data(at, 3, 8), v9Data(at, 6, 9))
	r.idle(t)
	all := r.ingest.Exporters()
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	e := all[0]
	if e.Datagrams != 4 || e.Flows != 60 || e.Lost != 2 || e.Resets != 0 || e.Skew.Round(time.Minute) != time.Hour {
		t.Errorf("%+v", e)
	}
}

// waitFor waits for what another goroutine is about to do.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if <-tick.C; time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
