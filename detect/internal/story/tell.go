package story

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/schema"
)

// Tell plays a story, whose text stands in the file path, and returns it with what is said now. A story
// named alert-... must alert, any other is named silent-... and must not: with the wrong one, or
// with what no revision of a golden file may make right, there is an error and no text to write.
func Tell(path string, text []byte) ([]byte, error) {
	s, err := parse(path, text)
	if err != nil {
		return nil, err
	}
	if err := s.tell(); err != nil {
		return nil, fmt.Errorf("%s: %w; what is said:\n%s", path, err, s.alerts.Data)
	}
	must := "alert-"
	if len(s.alerts.Data) == 0 {
		must = "silent-"
	}
	if !strings.HasPrefix(filepath.Base(path), must) {
		return nil, fmt.Errorf("%s: what is said is that of a story %s...:\n%s", path, must, s.alerts.Data)
	}
	return txtar.Format(s.archive), nil
}

// conversations of all lines in the order in which collectors hear of them.
func (s *story) conversations() (all []conversation) {
	for _, l := range s.lines {
		all = l.conversations(all)
	}
	slices.SortStableFunc(all, func(a, b conversation) int { return cmp.Compare(a.arrival, b.arrival) })
	return all
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
		flows = c.flows(flows)
	}
	if len(flows) > 0 {
		yield(flows)
	}
}

// revision is an alert and the event time at which it was said.
type revision struct {
	at time.Time
	schema.Alert
}

// tell runs the flows through orientation and detection, and writes what is said.
func (s *story) tell() error {
	d, err := detect.New(s.cfg)
	if err != nil {
		return err
	}
	replay := detect.Replay{Detector: d}
	pairing := orient.NewPairing(1<<16, orient.ServicePorts[:])
	var said []revision
	say := func(alerts []schema.Alert) {
		for _, a := range alerts {
			said = append(said, revision{replay.Now(), a})
		}
	}
	n := int64(0)
	observe := func(flows []schema.Flow) {
		for i := range flows {
			say(replay.Observe(flows[i:i+1], n))
			n++
		}
	}
	s.datagrams(func(flows []schema.Flow) bool {
		pairing.Orient(flows)
		observe(pairing.HoldRecorded(flows))
		return true
	})
	observe(pairing.Release())
	say(replay.Finish("end of the story"))
	t := newTable(said)
	wrong := []error{bearable(said), CheckFates(d.Stats()), t.apply(s.may)}
	s.alerts.Data = t.text()
	if s.guards != nil {
		var err error
		s.guards.Data, err = counters(d.Stats(), pairing.Stats, s.guards.Data)
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}
