package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
	"github.com/scanhound/scanhound/schema/netflow"
)

func captures(t *testing.T) []lab.Capture {
	t.Helper()
	all, err := lab.Captures()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func capture(t *testing.T, name string) lab.Capture {
	t.Helper()
	all := captures(t)
	i := slices.IndexFunc(all, func(c lab.Capture) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("the lab has no capture %s", name)
	}
	return all[i]
}

// onDisk returns a file of c, packed as it is.
func onDisk(t *testing.T, c lab.Capture) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "capture") // no suffix: nothing is known by its name
	if err := os.WriteFile(path, c.Zst, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// flowsOf counts the flows of a capture with a decoder of its own.
func flowsOf(t *testing.T, c lab.Capture) (n int) {
	t.Helper()
	decoder := netflow.NewDecoder(netflow.NewTemplates(netflow.Config{}), netflow.Config{})
	rec := recordingOf(t, func() (*flowfile.Reader, error) {
		pcap, err := c.Open()
		return flowfile.Open([]string{"-"}, pcap), err
	})
	for d, err := range rec.datagrams() {
		if err != nil {
			t.Fatal(err)
		}
		flows, _ := decoder.Decode(nil, d.From.Addr(), d.Received, d.Payload)
		n += len(flows)
	}
	return n
}

// finding is what the last revision of an alert says, but for where its flows are.
type finding struct {
	Source              netip.Addr
	Kind                schema.Kind
	Revision            uint32
	Hosts, Ports, Pairs schema.Count
	Flows               uint64
	First, Last         time.Time
}

// findings reads alerts in JSON, by id.
func findings(t *testing.T, stdout string) map[string]finding {
	t.Helper()
	all := map[string]finding{}
	for line := range strings.Lines(stdout) {
		a, err := schema.ParseAlert([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if a.Revision < all[a.ID].Revision {
			t.Errorf("%s: revision %d behind %d", a.ID, a.Revision, all[a.ID].Revision)
		}
		all[a.ID] = finding{a.Source, a.Kind, a.Revision, a.Hosts, a.Ports, a.Pairs, a.Flows, a.FirstSeen, a.LastSeen}
	}
	return all
}

func compareAddr() cmp.Option {
	return cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
}
