package detect_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// A story is a file of testdata: flows above, what is said of them below.
func TestStoriesEndAsTheySay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { testStory(t, path) })
	}
}

func testStory(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseStory(path, text)
	if err != nil {
		t.Fatal(err)
	}
	s.tell(t)
	must := "alert-"
	if len(s.alerts.Data) == 0 {
		must = "silent-"
	}
	if !strings.HasPrefix(filepath.Base(path), must) { // which -update must not make true
		t.Fatalf("%s: what is said is that of a story %s...:\n%s", path, must, s.alerts.Data)
	}
	told := txtar.Format(s.archive)
	if *update && !bytes.Equal(told, text) {
		if err := os.WriteFile(path, told, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(strings.Split(string(text), "\n"), strings.Split(string(told), "\n")); diff != "" {
		t.Errorf("%s: (-the story +what is said; -update rewrites it)\n%s", path, diff)
	}
}

// story is a parsed file. Telling it rewrites the archive.
type story struct {
	archive *txtar.Archive
	cfg     detect.Config
	lines   []*line
	alerts  *txtar.File
	guards  *txtar.File // nil unless the story is about some
}

// parseStory reads a story; an error begins with file and line.
func parseStory(path string, text []byte) (*story, error) {
	s := &story{archive: txtar.Parse(text), cfg: detect.DefaultConfig()}
	if len(bytes.TrimSpace(s.archive.Comment)) == 0 {
		return nil, fmt.Errorf("%s:1: say above what happens, and why it alerts or must be silent", path)
	}
	at := bytes.Count(s.archive.Comment, []byte("\n"))
	for i := range s.archive.Files {
		f := &s.archive.Files[i]
		at++
		if err := s.section(path, at, f); err != nil {
			return nil, err
		}
		at += bytes.Count(f.Data, []byte("\n"))
	}
	if len(s.lines) == 0 || s.alerts == nil {
		return nil, fmt.Errorf("%s:%d: a story has flows and alerts", path, at)
	}
	return s, nil
}

// section reads one that begins at a line of the file.
func (s *story) section(path string, at int, f *txtar.File) error {
	read := func(each func(text string, number int) error) error {
		for text := range strings.Lines(string(f.Data)) {
			at++
			text, _, _ = strings.Cut(strings.TrimSpace(text), "#")
			if strings.TrimSpace(text) == "" {
				continue
			}
			if err := each(text, at); err != nil {
				return fmt.Errorf("%s:%d: %w", path, at, err)
			}
		}
		return nil
	}
	switch f.Name {
	case "settings":
		return read(func(text string, _ int) error { return parseSetting(text, &s.cfg) })
	case "flows":
		return read(func(text string, number int) error {
			l, err := parseLine(text, number)
			s.lines = append(s.lines, l)
			return err
		})
	case "alerts":
		s.alerts = f
	case "guards":
		s.guards = f
	default:
		return fmt.Errorf("%s:%d: %q: give settings, flows, alerts or guards", path, at, f.Name)
	}
	return nil
}

// midnight before the first day of every story.
var midnight = schema.TimeOf(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))

// conversation is the i-th of a line and when it is told of.
type conversation struct {
	arrival, start schema.Time
	line           *line
	i              uint64
}

// conversations of all lines in the order in which collectors hear of them.
func (s *story) conversations() (all []conversation) {
	for _, l := range s.lines {
		at := midnight.Add(l.begin)
		for i := range l.count {
			if i > 0 {
				at = at.Add(l.between(l.gap))
				if l.pauseEach > 0 && i%l.pauseEach == 0 {
					at = at.Add(l.pause)
				}
			}
			all = append(all, conversation{at.Add(time.Second + l.between(l.late)), at, l, i})
		}
	}
	slices.SortStableFunc(all, func(a, b conversation) int { return cmp.Compare(a.arrival, b.arrival) })
	return all
}

func (l *line) between(d [2]time.Duration) time.Duration {
	if d[0] == d[1] {
		return d[0]
	}
	return d[0] + time.Duration(l.dice.Int64N(int64(d[1]-d[0])))
}

// datagrams yields the flows of a story as an exporter packs them: a few together.
func (s *story) datagrams(yield func([]schema.Flow) bool) {
	const most = 10
	var flows []schema.Flow
	for _, c := range s.conversations() {
		if len(flows) >= most-1 || len(flows) > 0 && flows[0].Exporter.Addr != c.line.exporter {
			if !yield(flows) {
				return
			}
			flows = flows[:0]
		}
		flows = c.line.records(flows, c.i, c.start, c.arrival)
	}
	yield(flows)
}

// revision is an alert and the event time at which it was said.
type revision struct {
	at time.Time
	schema.Alert
}

// tell runs the flows through orientation and detection, and writes what is said.
func (s *story) tell(t *testing.T) {
	t.Helper()
	d := detect.Alone{Detector: newDetector(t, func(c *detect.Config) { *c = s.cfg })}
	pairing := detect.NewPairing(1<<16, detect.ServicePorts[:])
	var said []revision
	say := func(alerts []schema.Alert) {
		for _, a := range alerts {
			said = append(said, revision{d.Now(), a})
		}
	}
	n := int64(0)
	s.datagrams(func(flows []schema.Flow) bool {
		pairing.Orient(flows)
		for i := range flows {
			say(d.Observe(flows[i:i+1], n))
			n++
		}
		return true
	})
	say(d.Finish("end of the story"))
	checkStory(t, said)
	checkSum(t, d.Detector)
	s.alerts.Data = alertTable(said)
	if s.guards != nil {
		s.guards.Data = counters(t, d.Stats(), pairing.Stats, s.guards.Data)
	}
}

// maxUpdates is how often an alert may be updated, sessions with it left out.
const maxUpdates = 12

func checkStory(t *testing.T, said []revision) {
	t.Helper()
	var alerts []schema.Alert
	updates := map[string]int{}
	for _, r := range said {
		alerts = append(alerts, r.Alert)
		if r.State == schema.Update && !strings.HasPrefix(r.Reason, gotIn) {
			updates[r.ID]++
		}
	}
	checkLives(t, alerts)
	for id, n := range updates {
		if n > maxUpdates {
			t.Errorf("%s was updated %d times, at most %d are bearable", id, n, maxUpdates)
		}
	}
}
