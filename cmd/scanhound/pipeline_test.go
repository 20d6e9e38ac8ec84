package main

import (
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scanhound/scanhound/lab"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/flowfile"
)

// scan is what a recording must be found to hold.
type scan struct {
	class schema.Kind
	hosts int
	ports int
	pairs int
}

func TestEveryScanOfTheLabIsOneAlertOnNATSWithItsClassAndCounts(t *testing.T) {
	truth, err := lab.Truth()
	if err != nil {
		t.Fatal(err)
	}
	want := map[netip.Addr]scan{}
	for _, s := range truth {
		if s.Class != "none" {
			want[s.Source] = scan{schema.Kind(s.Class), s.Probed.Hosts, s.Probed.Ports, s.Probed.Pairs}
		}
	}
	captures, err := lab.Captures()
	if err != nil {
		t.Fatal(err)
	}
	onEachKafka(t, func(t *testing.T, brokers []string) {
		for _, c := range captures {
			t.Run(c.Name, func(t *testing.T) {
				rec := recordingOf(t, func() (*flowfile.Reader, error) {
					pcap, err := c.Open()
					return flowfile.Open([]string{"-"}, pcap), err
				})
				findsExactly(t, brokers, rec, want)
			})
		}
	})
}

func TestThe12007HostsOfTheTCPScanAreOneHorizontalAlertFromEveryExport(t *testing.T) {
	dir := corpora(t, "dev/detector/scan-NG")
	want := map[netip.Addr]scan{netip.MustParseAddr("200.125.200.2"): {schema.Horizontal, 12007, 1, 12007}}
	onEachKafka(t, func(t *testing.T, brokers []string) {
		for _, version := range []string{"v5", "v9", "v10"} {
			t.Run(version, func(t *testing.T) {
				rec, err := openRecording([]string{filepath.Join(dir, "23-tcp-scan."+version+".pcap")})
				if err != nil {
					t.Fatal(err)
				}
				findsExactly(t, brokers, rec, want)
			})
		}
	})
}

// findsExactly plays a recording into a pipeline of its own: each source of want
// is told of with one id in several revisions, nothing else is told of, and the
// counts of all stages add up.
func findsExactly(t *testing.T, brokers []string, rec *recording, want map[netip.Addr]scan) {
	t.Helper()
	r := start(t, settingsOf(t, brokers))
	r.play(t, rec)
	r.idle(t)
	r.send(t, later(time.Now().Add(-time.Minute))...)
	c := r.idle(t)
	checkConservation(t, &c)

	found := map[netip.Addr]bool{}
	for _, revisions := range r.told() {
		last := revisions[len(revisions)-1]
		w, is := want[last.Source]
		switch {
		case !is || found[last.Source]:
			t.Errorf("another alert: %s", appendLine(nil, &last))
			continue
		case revisions[0].State != schema.Open || len(revisions) < 2:
			t.Errorf("%s: %d revisions, the first is %s", last.Source, len(revisions), revisions[0].State)
		}
		found[last.Source] = true
		if last.Kind != w.class || off(last.Hosts, w.hosts) || off(last.Ports, w.ports) || off(last.Pairs, w.pairs) {
			t.Errorf("want %+v, got: %s", w, appendLine(nil, &last))
		}
	}
	for source, w := range want {
		if !found[source] {
			t.Errorf("no alert for %s, which made a %s scan", source, w.class)
		}
	}
}

// off: an exact count must be right, an estimate within 2.5 %.
func off(c schema.Count, want int) bool {
	if c.Exact {
		return c.Count != uint64(want)
	}
	return math.Abs(float64(c.Count)/float64(want)-1) > 0.025
}

// checkConservation: what enters a stage is what leaves it and each named loss.
func checkConservation(t *testing.T, c *chain) {
	t.Helper()
	u, d, f, det := &c.ingest.UDP, &c.ingest.Decoded, &c.ingest.Flows, &c.detector
	var outcomes, oriented, fates uint64
	for _, n := range d.Outcomes {
		outcomes += n
	}
	for _, n := range c.ingest.Oriented.By {
		oriented += n
	}
	for _, n := range det.Detect.Fates {
		fates += n
	}
	for _, sum := range []struct {
		what      string
		in, total uint64
	}{
		{"datagrams sent, received or lost", c.sent, u.Datagrams + u.Truncated + u.KernelDrops},
		{"datagrams received, decoded or left out", u.Datagrams, d.Datagrams + c.ingest.Refused + c.ingest.Limited},
		{"datagrams decoded, by outcome", d.Datagrams, outcomes},
		{"records by kind", d.Records.Seen, d.Records.Flows + d.Records.Options + d.Records.NoAddress + d.Records.NoTemplate + d.Records.Overclaimed + d.Records.Cut},
		{"flows oriented", d.Records.Flows, oriented},
		{"flows and copies added to batches, or held", d.Records.Flows + c.ingest.Copies, f.Added + c.ingest.Oriented.Held},
		{"flows produced or lost", f.Added, f.Produced + f.QueueFull + f.Failed + f.Pending},
		{"flows produced, consumed", f.Produced, det.Detect.Consumed + det.BadFlows},
		{"flows consumed, by fate", det.Detect.Consumed, fates},
		{"alerts said, produced", det.Detect.Revisions, det.Alerts.Produced + det.Alerts.Refused + det.Silent},
		{"alerts produced, read", det.Alerts.Produced, c.alerter.Records},
		{"alerts read, published", c.alerter.Records, c.alerter.Bad + c.alerter.Published + c.alerter.Refused},
		{"alerts published, received", c.alerter.Published - c.alerter.Duplicates, c.received},
	} {
		if sum.in != sum.total {
			t.Errorf("%s: %d are not %d", sum.what, sum.in, sum.total)
		}
	}
	if c.sent == 0 || det.Detect.Counted == 0 {
		t.Error("nothing went through")
	}
}

func recordingOf(t testing.TB, tracks ...track) *recording {
	t.Helper()
	rec := &recording{tracks: tracks}
	if err := rec.measure(); err != nil {
		t.Fatal(err)
	}
	return rec
}

// corpora returns a folder of the shared corpora, or skips the test.
func corpora(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("SCANHOUND_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpora are not here: %v", err)
	}
	return dir
}
