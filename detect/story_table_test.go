package detect_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// alertTable is the golden form of alerts: what a later kind of evidence leaves as it is.
func alertTable(said []revision) []byte {
	if len(said) == 0 {
		return nil
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "#\ttime\tstate\tkind\tseverity\tsource\trule\thosts\tports\tpairs\twhy")
	numbers := map[string]int{}
	for _, r := range said {
		if numbers[r.ID] == 0 {
			numbers[r.ID] = len(numbers) + 1
		}
		source := r.Source.String()
		if r.Prefix != 0 {
			source += fmt.Sprintf("/%d", r.Prefix)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s@%s\t%s\t%s\t%s\t%s\n", numbers[r.ID], storyTime(r.at), r.State, r.Kind, r.Severity,
			source, r.Rule, r.Window, about(r.Hosts), about(r.Ports), about(r.Pairs), why(&r.Alert))
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

// gotIn begins the reason of an update about a session with a probed target.
const gotIn = "got in"

func why(a *schema.Alert) string {
	switch {
	case a.State == schema.Open:
		return fmt.Sprintf("threshold %d, confidence %s", a.Threshold, a.Confidence)
	case strings.HasPrefix(a.Reason, gotIn):
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
func counters(t *testing.T, stats detect.Stats, orient detect.OrientStats, names []byte) []byte {
	t.Helper()
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
	for text := range strings.Lines(string(names)) {
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		n, known := counts[fields[0]]
		if !known || n == 0 {
			t.Errorf("guard %q counted nothing", fields[0])
		}
		fmt.Fprintf(&b, "%s %d\n", fields[0], n)
	}
	return b.Bytes()
}
