package cmd_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
	"github.com/scanhound/scanhound/schema/netflow"
)

// recording is a capture of the lab, moved so that it ends an hour ago.
type recording struct {
	datagrams [][]byte
	flows     int
}

func record(t *testing.T, name string) (rec recording) {
	t.Helper()
	all, err := lab.Captures()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(c lab.Capture) bool { return c.Name == name })
	pcap, err := all[at].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pcap.Close()
	type received struct {
		from netip.Addr
		at   schema.Time
	}
	var of []received
	for d, err := range flowfile.Open([]string{"-"}, pcap).Datagrams() {
		if err != nil {
			t.Fatal(err)
		}
		rec.datagrams = append(rec.datagrams, bytes.Clone(d.Payload))
		of = append(of, received{d.From.Addr(), d.Received})
	}
	var clocks flowfile.Rebaser
	shift := time.Now().Add(-time.Hour).Sub(of[len(of)-1].at.Std())
	decoder := netflow.NewDecoder(netflow.NewTemplates(netflow.Config{}), netflow.Config{})
	for i, d := range rec.datagrams {
		if err := clocks.Rebase(of[i].from, d, shift); err != nil {
			t.Fatal(err)
		}
		flows, _ := decoder.Decode(nil, of[i].from, of[i].at, d)
		rec.flows += len(flows)
	}
	return rec
}

// ahead is how many datagrams are sent before ingest has taken those before
// them: what the smallest usual socket buffer holds of them.
const ahead = 50

// play sends datagrams no faster than ingest takes them and returns when it has
// handed all of their flows to Kafka.
func play(t *testing.T, in *process, datagrams [][]byte) {
	t.Helper()
	const received = `scanhound_ingest_datagrams_total{fate="received"}`
	want := in.metrics()[received]
	for some := range slices.Chunk(datagrams, ahead) {
		send(t, in.listens(), some)
		want += float64(len(some))
		eventually(t, "ingest has received what was sent", func() bool { return in.metrics()[received] >= want })
	}
	eventually(t, "ingest has handed everything to Kafka", func() bool {
		m := in.metrics()
		return m[`scanhound_ingest_decoded_total{what="datagrams"}`] >= want &&
			m[`scanhound_ingest_flows_total{fate="produced"}`] == m[`scanhound_ingest_decoded_total{what="records_flows"}`]
	})
}

// send sends datagrams from one exporter, whose port changes.
func send(t *testing.T, to netip.AddrPort, datagrams [][]byte) {
	t.Helper()
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, d := range datagrams {
		if _, err := conn.Write(d); err != nil {
			t.Fatal(err)
		}
	}
}

// hosts are the last bytes of the sources in an ordinary datagram.
var hosts = [...]byte{1, 2, 3, 4, 5}

// ordinary is a NetFlow v5 datagram of sessions with a web server.
func ordinary(at time.Time, b, c byte) []byte {
	const uptime = 3_600_000
	d := make([]byte, 24)
	binary.BigEndian.PutUint16(d[0:], 5)
	binary.BigEndian.PutUint16(d[2:], uint16(len(hosts)))
	binary.BigEndian.PutUint32(d[4:], uptime)
	binary.BigEndian.PutUint32(d[8:], uint32(at.Unix()))
	for _, host := range hosts {
		var r [48]byte
		copy(r[0:], []byte{172, 16 | b, c, host})
		copy(r[4:], []byte{192, 0, 2, 80})
		binary.BigEndian.PutUint32(r[16:], 20)
		binary.BigEndian.PutUint32(r[20:], 9000)
		binary.BigEndian.PutUint32(r[24:], uptime-1000)
		binary.BigEndian.PutUint32(r[28:], uptime-900)
		binary.BigEndian.PutUint16(r[32:], 50000)
		binary.BigEndian.PutUint16(r[34:], 443)
		r[37], r[38] = 0x1b, schema.TCP
		d = append(d, r[:]...)
	}
	return d
}
