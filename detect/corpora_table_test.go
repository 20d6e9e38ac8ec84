package detect_test

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/schema"
)

// counted is what a closing revision says beside what there is.
type counted struct {
	alert               revision
	class               schema.Kind
	pairs, hosts, ports int
}

// counts compares the first closing revision of each source: what a later alert
// leaves out depends on when the one before it closed, which the model does not know.
func (r *trial) counts() (all []counted) {
	seen := map[netip.Addr]bool{}
	for _, a := range r.last() {
		s := r.exact.sources[a.Source]
		if s == nil || seen[a.Source] {
			continue
		}
		seen[a.Source] = true
		end := schema.TimeOf(a.LastSeen)
		rule := schema.Kind(a.Rule)
		n := shapeOf(s.reported(rule, a.flows, end.Add(-r.exact.cfg.Window), end))
		c := counted{a, n.class(), n.pairs, n.hosts, n.ports}
		if rule == schema.Sweep || rule == schema.Protocols {
			c.class, c.ports = rule, 0
		}
		all = append(all, c)
	}
	return all
}

func offBy(c schema.Count, want int) float64 {
	return math.Abs(float64(c.Count)-float64(want)) / max(float64(want), 1)
}

// table is what a set of recordings came to, a line for each.
type table struct {
	lines []string
	out   []string // recordings that are left out here
}

const columns = "%-36s %6v %6v %7v %7v %6v %6v %6v %5v %5v   %6v %6v %6v %6v %5v   %-16s %s"

func newTable() *table {
	return &table{lines: []string{
		fmt.Sprintf("%-58s %-37s   %s", "", "  default settings", "low thresholds"),
		fmt.Sprintf(columns, "recording", "flows", "silent", "sources", "above", "found", "missed", "false", "late", "off",
			"above", "found", "missed", "false", "late", "class", "nearest of those below"),
	}}
}

// leaveOut reports whether a recording of packets cannot be read here.
func (b *table) leaveOut(t *testing.T, name string) bool {
	err := noSoftflowd(t)
	if err != nil {
		t.Logf("%s is left out: %v", name, err)
		b.out = append(b.out, name)
	}
	return err != nil
}

func (b *table) add(name string, usual, low *trial) {
	u, l := usual.score(), low.score()
	silent := 0
	for _, n := range usual.exact.left {
		silent += n
	}
	b.lines = append(b.lines, strings.TrimRight(fmt.Sprintf(columns, name, usual.flows, silent, len(usual.exact.sources),
		u.above, u.found, u.missed, u.false, u.late, fmt.Sprintf("%.1f%%", u.off*100),
		l.above, l.found, l.missed, l.false, l.late, u.classes(), usual.nearest()), " "))
}

// compare writes the table into the log and compares it with the one in testdata.
func (b *table) compare(t *testing.T, set string) {
	t.Helper()
	t.Logf("%s\n%s", set, strings.Join(b.lines, "\n"))
	file := filepath.Join("testdata", "corpora", set+".txt")
	if *update && len(b.out) == 0 {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Join(b.lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), func(line string) bool {
		return slices.ContainsFunc(b.out, func(name string) bool { return strings.HasPrefix(line, name+" ") })
	})
	if diff := gocmp.Diff(want, b.lines); diff != "" {
		t.Errorf("(-%s +now)\n%s", file, diff)
	}
}

// score is a trial in numbers of sources.
type score struct {
	above, found, missed, false int
	late                        int // reported after the flow that crosses when time is not cut to units
	off                         float64
	kinds                       map[schema.Kind]int // of closing revisions
}

func (r *trial) score() score {
	s := score{kinds: map[schema.Kind]int{}}
	for addr := range r.exact.sources {
		x, above := r.exact.first(addr)
		alerts := r.alerts[addr]
		switch {
		case above && len(alerts) > 0:
			s.above++
			s.found++
			if alerts[0].flows > x.flow+1 {
				s.late++
			}
		case above:
			s.above++
			s.missed++
		}
	}
	for addr := range r.alerts {
		if _, above := r.exact.first(addr); !above {
			s.false++
		}
	}
	for _, a := range r.last() {
		s.kinds[a.Kind]++
	}
	for _, c := range r.counts() {
		s.off = max(s.off, offBy(c.alert.Pairs, c.pairs), offBy(c.alert.Hosts, c.hosts), offBy(c.alert.Ports, c.ports))
	}
	return s
}

func (s *score) classes() string {
	var all []string
	for kind, n := range s.kinds {
		all = append(all, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// nearest says how near the sources that stay below came, and else why nothing counts.
func (r *trial) nearest() string {
	var near *exactCrossing
	below := false
	for addr, s := range r.exact.sources {
		if _, above := r.exact.first(addr); above {
			continue
		}
		below = true
		if near == nil || s.near.nearer(near) {
			near = &s.near
		}
	}
	switch {
	case below:
		return near.String()
	case len(r.exact.sources) > 0:
		return ""
	}
	var why []string
	for guard, n := range r.exact.left {
		why = append(why, fmt.Sprintf("%d %s", n, guard))
	}
	slices.Sort(why)
	return "nothing counts: " + strings.Join(why, ", ")
}

// busySources says what became of the sources with 25 targets or more, of which
// the README of the corpora knows 38.
func busySources(r *trial) (lines []string) {
	groups := map[string]int{}
	total := 0
	for addr, s := range r.exact.sources {
		if len(s.targets) < 25 {
			continue
		}
		total++
		if _, above := r.exact.first(addr); above {
			groups["alert"]++
			continue
		}
		failed, answered := 0, 0
		for _, c := range s.targets {
			switch {
			case c.answered:
				answered++
			case c.failing():
				failed++
			}
		}
		groups[fmt.Sprintf("stay below: %d targets, %d failed, %d answered; nearest %s", len(s.targets), failed, answered, &s.near)]++
	}
	for what, n := range groups {
		lines = append(lines, fmt.Sprintf("  %2d %s", n, what))
	}
	slices.Sort(lines)
	return append([]string{fmt.Sprintf("%d sources have 25 targets or more", total)}, lines...)
}
