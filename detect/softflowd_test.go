package detect_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
)

// noSoftflowd says why packets cannot be made flows of here. In CI nothing may be left out.
func noSoftflowd(t *testing.T) error {
	t.Helper()
	_, err := exec.LookPath("softflowd")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("packets cannot be left out in CI: %v", err)
	}
	return err
}

var sentPackets = regexp.MustCompile(`\((\d+) records\) in (\d+) packets \((\d+) failures\)`)

// readPackets lets a softflowd read captured packets and returns the flows that it
// sends, with the packets' times and in an order that is always the same.
func readPackets(t *testing.T, names ...string) (batches [][]schema.Flow) {
	t.Helper()
	name := chronological(t, names[0])
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	said := make(chan []byte, 1)
	pid := filepath.Join(t.TempDir(), "pid")
	go func() {
		out, err := exec.CommandContext(t.Context(), "softflowd", "-a", "-d", "-r", name, "-n", conn.LocalAddr().String(), "-v", "9", "-m", "65536",
			"-p", pid, "-c", "none").CombinedOutput() // with a control socket 1.1.0 sometimes waits for ever
		if err != nil {
			out = append(out, err.Error()...)
		}
		said <- out
	}()
	decode := newDecode()
	buffer := make([]byte, 1<<16)
	records, datagrams, got := -1, -1, 0
	for end := time.Now().Add(20 * time.Second); datagrams < 0 || len(batches) < datagrams; {
		select {
		case out := <-said:
			m := sentPackets.FindSubmatch(out)
			if m == nil || string(m[3]) != "0" {
				t.Fatalf("softflowd -r %s: %s", name, out)
			}
			records, _ = strconv.Atoi(string(m[1]))
			datagrams, _ = strconv.Atoi(string(m[2]))
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %d of %d datagrams arrived", name, len(batches), datagrams)
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			continue // nothing yet
		}
		batch := decode(nil, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), flowfile.ExportTime(buffer[:n]), buffer[:n])
		batches = append(batches, batch)
		got += len(batch)
	}
	if got != records {
		t.Fatalf("%s: softflowd sent %d records, %d flows were read", name, records, got)
	}
	return batches
}

// chronological returns a capture of the same packets in the order of their times.
// Two of bro-simple-scan's go backwards, and a softflowd counts from the first packet.
func chronological(t *testing.T, name string) string {
	t.Helper()
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := pcapgo.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	type packet struct {
		info gopacket.CaptureInfo
		data []byte
	}
	var packets []packet
	for {
		data, info, err := r.ReadPacketData()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, packet{info, data})
	}
	slices.SortStableFunc(packets, func(a, b packet) int { return a.info.Timestamp.Compare(b.info.Timestamp) })
	out, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(name)))
	if err != nil {
		t.Fatal(err)
	}
	w := pcapgo.NewWriter(out)
	err = w.WriteFileHeader(r.Snaplen(), r.LinkType())
	for _, p := range packets {
		err = errors.Join(err, w.WritePacket(p.info, p.data))
	}
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}
