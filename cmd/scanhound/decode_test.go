package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

func TestDecodePrintsEveryFlowAsALineWithTheNamesOfGoflow2(t *testing.T) {
	types := map[uint16]string{5: "NETFLOW_V5", 9: "NETFLOW_V9", 10: "IPFIX"}
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			r := run(t, nil, "decode", onDisk(t, c))
			if r.code != 0 {
				t.Fatalf("code %d: %s", r.code, r.stderr)
			}
			flows := 0
			for text := range strings.Lines(r.stdout) {
				flows++
				line := object(t, text)
				for _, name := range []string{
					"type", "time_received_ns", "sampler_address", "sampling_rate", "time_flow_start_ns", "time_flow_end_ns",
					"bytes", "packets", "src_addr", "dst_addr", "etype", "proto", "src_port", "dst_port", "tcp_flags", "icmp_type", "icmp_code",
				} {
					if _, ok := line[name]; !ok {
						t.Fatalf("%s is missing in %s", name, text)
					}
				}
				if line["type"] != types[c.Version] {
					t.Fatalf("type %v, want %s", line["type"], types[c.Version])
				}
			}
			if want := flowsOf(t, c); flows != want || want == 0 {
				t.Errorf("%d lines, the capture holds %d flows", flows, want)
			}
			if n := counted(t, r.stderr, "records_flows"); n != flows {
				t.Errorf("%d flows are counted on stderr:\n%s", n, r.stderr)
			}
		})
	}
}

func TestAPackedCaptureIsSeenThrough(t *testing.T) {
	c := capture(t, "softflowd-v5")
	pcap, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer pcap.Close()
	plain, err := io.ReadAll(pcap)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := run(t, bytes.NewReader(plain), "decode", "-").stdout
	if got := run(t, &packed, "decode", "-").stdout; got != want || want == "" {
		t.Errorf("packed with gzip it is %d bytes of flows, unpacked %d", len(got), len(want))
	}
	if got := run(t, nil, "decode", onDisk(t, c)).stdout; got != want {
		t.Errorf("packed with zstd it is %d bytes of flows, unpacked %d", len(got), len(want))
	}
}
