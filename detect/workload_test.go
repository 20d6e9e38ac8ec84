package detect_test

import (
	"bufio"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

// The workload is a day of 10 M flows of 1 M sources with 1,000 scanners and its
// exact truth, by a plain sort: every source that touched 100 targets of one kind.
// It is made by the generator beside the corpora, into the folder that
// SCANHOUND_WORKLOAD names; without it the test is skipped.
func TestTheWorkloadsScannersAreAllFoundAndNobodyElse(t *testing.T) {
	dir := os.Getenv("SCANHOUND_WORKLOAD")
	if dir == "" {
		t.Skip("SCANHOUND_WORKLOAD names no folder")
	}
	truth := workloadTruth(t, filepath.Join(dir, "truth.csv"))
	d := newDetector(t, func(c *detect.Config) {
		hundred := []uint32{100, 100, 100, 100}
		c.Vertical, c.HorizontalInternal, c.HorizontalExternal, c.Block = hundred, hundred, hundred, hundred
		c.UDPFactor, c.BusyFactor = 1, 1
		c.Memory = 4 << 30 // one partition has them all
	})
	p := orient.NewPairing(1<<16, orient.ServicePorts[:])
	found := map[netip.Addr]schema.Alert{}
	n := 0
	start := time.Now()
	for flows, err := range workloadFlows(filepath.Join(dir, "flows.bin")) {
		if err != nil {
			t.Fatal(err)
		}
		p.Orient(flows)
		for _, a := range d.Observe(flows, 0) {
			found[a.Source] = a
		}
		n += len(flows)
	}
	t.Logf("%d flows in %v, %+v", n, time.Since(start), d.Stats())
	missed, wrong := 0, 0
	for a, w := range truth {
		if _, is := found[a]; !is {
			if missed++; missed <= 10 {
				t.Errorf("missed %s, with %d hosts on a port and %d ports of a host", a, w[0], w[1])
			}
		}
	}
	for a, alert := range found {
		if _, is := truth[a]; !is {
			if wrong++; wrong <= 10 {
				t.Errorf("%s is no scanner: %s, %s hosts, %s ports, %s", a, alert.Kind, alert.Hosts, alert.Ports, alert.Reason)
			}
		}
	}
	t.Logf("recall %.4f, precision %.4f", 1-float64(missed)/float64(len(truth)), 1-float64(wrong)/float64(max(len(found), 1)))
}

func workloadTruth(t *testing.T, path string) map[netip.Addr][2]int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	truth := map[netip.Addr][2]int{}
	for _, row := range rows {
		var v [3]uint64
		for i := range v {
			if v[i], err = strconv.ParseUint(row[i], 10, 32); err != nil {
				t.Fatal(err)
			}
		}
		truth[ip(uint32(v[0]))] = [2]int{int(v[1]), int(v[2])}
	}
	return truth
}

func ip(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// workloadFlows reads the generator's 36-byte little-endian records in batches.
func workloadFlows(path string) func(func([]schema.Flow, error) bool) {
	return func(yield func([]schema.Flow, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		in := bufio.NewReaderSize(f, 1<<20)
		le := binary.LittleEndian
		flows := make([]schema.Flow, 0, 64)
		var r [36]byte
		for {
			_, err := io.ReadFull(in, r[:])
			if err != nil && !errors.Is(err, io.EOF) {
				yield(nil, fmt.Errorf("read %s: %w", path, err))
				return
			}
			if err == nil {
				at := noon.Add(time.Duration(le.Uint32(r[0:])) * time.Millisecond)
				flow := schema.Flow{Start: at, End: at.Add(time.Duration(le.Uint32(r[4:])) * time.Millisecond), Received: at.Add(time.Minute), Proto: r[28]}
				flow.Exporter.Addr = exporter
				flow.Src = schema.Side{Addr: ip(le.Uint32(r[8:])), Port: le.Uint16(r[16:]), Packets: uint64(le.Uint32(r[20:])), Bytes: uint64(le.Uint32(r[24:])), TCPFlags: uint16(r[29])}
				flow.Dst = schema.Side{Addr: ip(le.Uint32(r[12:])), Port: le.Uint16(r[18:])}
				flows = append(flows, flow)
			}
			if len(flows) == 64 || err != nil {
				if !yield(flows, nil) || err != nil {
					return
				}
				flows = flows[:0]
			}
		}
	}
}
