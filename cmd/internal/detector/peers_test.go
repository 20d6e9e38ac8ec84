package detector

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOtherSettingsAreNamedWhenTheyLastAndOnlyOfWhoStillCommits(t *testing.T) {
	begun := time.Unix(1_800_000_000, 0)
	said := func(settings uint64, at time.Time) string {
		return fmt.Sprintf("settings=%016x at=%d by=host-b", settings, at.Unix())
	}
	var p peers
	for _, c := range []struct {
		after        time.Duration
		ours, theirs uint64
		committed    time.Duration // after begun
		says         bool
	}{
		{0, 1, 1, 0, false},
		{10 * time.Second, 1, 2, 10 * time.Second, false}, // a rolling change begins
		{60 * time.Second, 1, 2, 60 * time.Second, false},
		{70 * time.Second, 2, 2, 60 * time.Second, false}, // and ends
		{80 * time.Second, 2, 3, 80 * time.Second, false},
		{160 * time.Second, 2, 3, 160 * time.Second, false},
		{175 * time.Second, 2, 3, 160 * time.Second, true},  // it lasts
		{281 * time.Second, 2, 3, 160 * time.Second, false}, // its flows have ended, or it has
	} {
		text := p.look(begun.Add(c.after), c.ours, map[int32]string{3: said(c.theirs, begun.Add(c.committed)), 5: "of another release"})
		if (text != "") != c.says || text != p.note() {
			t.Errorf("after %v: %q, noted %q", c.after, text, p.note())
		}
		if c.says && !strings.Contains(text, "host-b judges partition 3 by another window, other rules") {
			t.Errorf("it says %q", text)
		}
	}
}

func TestADetectorSeesByWhichSettingsAnotherOfItsGroupJudges(t *testing.T) {
	w := newGroup(t, 2)
	w.fill(0)
	one := w.detector()
	other := w.detector(func(c *Config) { c.Detect.Vertical = []uint32{10, 20, 30, 40} })
	w.run(one)
	w.run(other)
	wait(t, "they share", func() bool {
		return len(one.Stats().Consumer.Partitions) == 1 && len(other.Stats().Consumer.Partitions) == 1
	})
	w.fill(1)
	now := time.Now()
	wait(t, "the first sees that the other differs", func() bool {
		one.watch.peers.look(now, one.digest(), nil) // the commit may come between the two looks: each pair begins anew
		one.lookAtPeers(t.Context(), now)
		one.lookAtPeers(t.Context(), now.Add(peersGrace))
		return strings.Contains(one.watch.peers.note(), "other rules")
	})
	if !w.log.has("detectors of one group judge by different settings") {
		t.Error("the log does not say so")
	}
	one.watch.peers.look(now, one.digest()+1, nil)
	if one.watch.peers.note() != "" {
		t.Error("it goes on saying so")
	}
}
