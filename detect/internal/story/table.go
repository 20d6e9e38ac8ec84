package story

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

// table is the golden form of alerts: what a later kind of evidence leaves as it is.
type table struct {
	said    []revision
	numbers map[string]int // of the alerts, by when they opened
	last    map[int]int    // revision of each alert
	holds   map[cell]string
}

// cell is a count of a revision.
type cell struct {
	row  int
	what string
}

func newTable(said []revision) *table {
	t := &table{said: said, numbers: map[string]int{}, last: map[int]int{}, holds: map[cell]string{}}
	for row, r := range said {
		if t.numbers[r.ID] == 0 {
			t.numbers[r.ID] = len(t.numbers) + 1
		}
		t.last[t.numbers[r.ID]] = row
	}
	return t
}

// apply writes what a count may be in the place of the count, or says that it is not.
func (t *table) apply(lines []may) error {
	var wrong []error
	for _, m := range lines {
		row, is := t.last[m.alert]
		if !is {
			wrong = append(wrong, fmt.Errorf("line %d: there is no alert %d", m.line, m.alert))
			continue
		}
		if c := m.countOf(&t.said[row].Alert); !m.holds(c) {
			wrong = append(wrong, fmt.Errorf("line %d: %d %s are said, not %s", m.line, c.Count, m.what, &m))
			continue
		}
		t.holds[cell{row, m.what}] = m.String()
	}
	return errors.Join(wrong...)
}

func (t *table) text() []byte {
	if len(t.said) == 0 {
		return nil
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "#\ttime\tstate\tkind\tseverity\tsource\trule\thosts\tports\tpairs\twhy")
	for row, r := range t.said {
		source := r.Source.String()
		if r.Prefix != 0 {
			source += fmt.Sprintf("/%d", r.Prefix)
		}
		count := func(what string, c schema.Count) string { return cmp.Or(t.holds[cell{row, what}], about(c)) }
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s@%s\t%s\t%s\t%s\t%s\n", t.numbers[r.ID], storyTime(r.at), r.State, r.Kind, r.Severity,
			source, r.Rule, r.Window, count("hosts", r.Hosts), count("ports", r.Ports), count("pairs", r.Pairs), why(&r.Alert))
	}
	w.Flush()
	return b.Bytes()
}

func storyTime(at time.Time) string {
	after := at.Sub(midnight.Std())
	return fmt.Sprintf("day%d %s", after/(24*time.Hour)+1, at.Format("15:04:05"))
}

// about is a count; an estimate is rounded to two digits.
func about(c schema.Count) string {
	if c.Exact {
		return fmt.Sprint(c.Count)
	}
	unit := uint64(1)
	for c.Count/unit >= 100 {
		unit *= 10
	}
	return fmt.Sprintf("~%d", (c.Count+unit/2)/unit*unit)
}

func why(a *schema.Alert) string {
	switch {
	case a.State == schema.Open:
		return fmt.Sprintf("threshold %d, confidence %s", a.Threshold, a.Confidence)
	case strings.HasPrefix(a.Reason, GotIn):
		e := a.Answered[len(a.Answered)-1]
		return fmt.Sprintf("got in: %s %s/%d", e.Addr, strings.ToLower(e.Proto), e.Port)
	case strings.HasPrefix(a.Reason, "grown"):
		return "grown" // the pairs say how much
	case strings.HasPrefix(a.Reason, "merged"):
		return "merged" // the id behind it is a hash
	}
	return a.Reason
}

// counters writes the counters that a story names as they are now: those of
// Stats, the fates of flows, the guards, and turned_round of orientation.
func counters(stats detect.Stats, orient orient.Stats, names []byte) ([]byte, error) {
	counts := map[string]uint64{"turned_round": orient.Swapped}
	for field, v := range reflect.ValueOf(stats).Fields() {
		if v.CanUint() {
			counts[strings.ToLower(field.Name)] = v.Uint()
		}
	}
	for fate, n := range stats.Fates {
		counts[fate] = n
	}
	for guard, n := range stats.Guards {
		counts[guard] = n
	}
	var b bytes.Buffer
	var wrong []error
	for text := range strings.Lines(string(names)) {
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		n, known := counts[fields[0]]
		if !known || n == 0 {
			wrong = append(wrong, fmt.Errorf("guard %q counted nothing", fields[0]))
		}
		fmt.Fprintf(&b, "%s %d\n", fields[0], n)
	}
	return b.Bytes(), errors.Join(wrong...)
}
