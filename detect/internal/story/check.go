package story

import (
	"errors"
	"fmt"
	"strings"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// GotIn begins the reason of an update about a session with a probed target.
const GotIn = "got in"

// CheckLives says what is wrong with all that was said of some flows, to their end: every alert
// opens once, is updated, and closes; a closed one goes on only because its scanner got in, and
// closes again. Revisions count up.
func CheckLives(alerts []schema.Alert) error {
	last := map[string]schema.Alert{}
	for _, a := range alerts {
		before, known := last[a.ID]
		switch {
		case a.Revision != before.Revision+1:
			return fmt.Errorf("%s: revision %d after %d", a.ID, a.Revision, before.Revision)
		case known == (a.State == schema.Open),
			before.State == schema.Close && (a.State != schema.Update || !goesOn(&a)):
			return fmt.Errorf("%s: %s after %q", a.ID, a.State, before.State)
		}
		last[a.ID] = a
	}
	for id, a := range last {
		if a.State != schema.Close {
			return fmt.Errorf("%s never closed", id)
		}
	}
	return nil
}

// CameBack begins the reason of an update with which a closed alert goes on, its scanner
// being at it again.
const CameBack = "came back"

// goesOn reports whether a revision may follow a close.
func goesOn(a *schema.Alert) bool {
	return strings.HasPrefix(a.Reason, CameBack) || a.Severity == schema.Critical && strings.HasPrefix(a.Reason, GotIn)
}

// CheckFates says whether a flow was counted under no fate, or under two.
func CheckFates(stats detect.Stats) error {
	var sum uint64
	for _, n := range stats.Fates {
		sum += n
	}
	if sum != stats.Consumed {
		return fmt.Errorf("%d flows consumed, fates add up to %d: %+v", stats.Consumed, sum, stats)
	}
	return nil
}

// maxUpdates is how often an alert may be updated, sessions with it left out.
const maxUpdates = 12

// bearable says which alert has an impossible life, or one that nobody reads to its end.
func bearable(said []revision) error {
	var alerts []schema.Alert
	updates := map[string]int{}
	for _, r := range said {
		alerts = append(alerts, r.Alert)
		if r.State == schema.Update && !strings.HasPrefix(r.Reason, GotIn) {
			updates[r.ID]++
		}
	}
	wrong := []error{CheckLives(alerts)}
	for id, n := range updates {
		if n > maxUpdates {
			wrong = append(wrong, fmt.Errorf("%s was updated %d times, at most %d are bearable", id, n, maxUpdates))
		}
	}
	return errors.Join(wrong...)
}
