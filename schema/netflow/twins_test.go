package netflow_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
)

// twin is a case of testdata/twins.txt.
type twin struct {
	name      string
	datagrams []datagram
	want      []string
}

func twins(t *testing.T) (all []twin) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "twins.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		if strings.HasPrefix(part, "#") {
			continue
		}
		lines := strings.Split(part, "\n")
		c := twin{name: lines[0]}
		for _, line := range lines[1:] {
			if flow, ok := strings.CutPrefix(line, "="); ok {
				if flow = strings.TrimSpace(flow); flow != "" {
					c.want = append(c.want, flow)
				}
				continue
			}
			port, bytes, _ := strings.Cut(line, " ")
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			payload, err := hex.DecodeString(bytes)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			c.datagrams = append(c.datagrams, datagram{exporterA, uint16(n), arrived, payload})
		}
		all = append(all, c)
	}
	return all
}

func TestTwinsOfWhatTheFieldSendsAreReadAlike(t *testing.T) {
	all := twins(t)
	if len(all) < 10 {
		t.Fatalf("%d twins", len(all))
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			flows, s, ts := played(t, c.datagrams)
			var got []string
			for i := range flows {
				f := &flows[i]
				got = append(got, fmt.Sprintf("%v:%d > %v:%d %d %s %d %d", f.Src.Addr, f.Src.Port, f.Dst.Addr, f.Dst.Port, f.Proto, schema.FlagNames(f.Src.TCPFlags), f.Src.Packets, f.Src.Bytes))
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s%+v, %+v", diff, s, ts.Stats().Waiting)
			}
		})
	}
}
