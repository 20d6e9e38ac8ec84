package detect_test

import (
	"slices"

	"github.com/scanhound/scanhound/internal/defaults"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/detect/internal/story"
	"github.com/scanhound/scanhound/schema"
)

// The flows of flowtest, by short names.
var (
	noon, exporter, scanner = flowtest.Noon, flowtest.Exporter, flowtest.Scanner

	target, contactOf, syn, session = flowtest.Target, flowtest.Contact, flowtest.SYN, flowtest.Session
	udp, ping, reply                = flowtest.UDP, flowtest.Ping, flowtest.Reply
)

// tester is a testing.TB or a rapid.T.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// unset is the settings where nobody sets any.
var unset = defaults.Of[detect.Config]()

func newDetector(t tester, change func(*detect.Config)) *detect.Detector {
	t.Helper()
	cfg := unset
	if change != nil {
		change(&cfg)
	}
	d, err := detect.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// alertsOf returns all that is said of flows, one by one, and at their end.
func alertsOf(t tester, d *detect.Detector, flows []schema.Flow) []schema.Alert {
	t.Helper()
	var all []schema.Alert
	for i := range flows {
		all = append(all, d.Observe(flows[i:i+1], int64(i))...)
	}
	all = append(all, d.Finish("end of input")...)
	checkLives(t, all)
	checkSum(t, d)
	return all
}

func checkLives(t tester, alerts []schema.Alert) {
	t.Helper()
	if err := story.CheckLives(alerts); err != nil {
		t.Fatal(err)
	}
}

func checkSum(t tester, d *detect.Detector) {
	t.Helper()
	if err := story.CheckFates(d.Stats()); err != nil {
		t.Fatal(err)
	}
}

// finals keeps the last revision of each alert, in the order in which they closed first.
func finals(alerts []schema.Alert) []schema.Alert {
	var closed []schema.Alert
	for _, a := range alerts {
		if a.State != schema.Close {
			continue
		}
		if at := slices.IndexFunc(closed, func(c schema.Alert) bool { return c.ID == a.ID }); at >= 0 {
			closed[at] = a
			continue
		}
		closed = append(closed, a)
	}
	return closed
}
