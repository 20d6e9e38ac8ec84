package output

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// fate is what becomes of an alert at an output.
type fate uint8

const (
	sent     fate = iota
	unwanted      // its entry asks for others
	thinned       // another update of the alert came within updates-every
	limited       // more than per-minute
	refused       // its receiver will never take it
	noAlert       // the record is none
	inDigest      // it is told together with others
	fates
)

var fateNames = [fates]string{"sent", "unwanted", "thinned", "rate_limited", "refused", "no_alert", "digested"}

// policy decides what an output takes. It belongs to one goroutine.
type policy struct {
	e    *Entry
	last map[string]lastSaid // by the id of an alert

	minute time.Time // of the limit
	said   int       // in this minute
}

// lastSaid is what an output said of an alert last.
type lastSaid struct {
	at       time.Time // event time
	severity schema.Severity
}

// maxRemembered bounds the alerts of which an output remembers what it said.
const maxRemembered = 100_000

func newPolicy(e *Entry) *policy { return &policy{e: e, last: map[string]lastSaid{}} }

// Wants reports whether an entry asks for an alert, whatever was said before.
func (e *Entry) Wants(a *schema.Alert) bool { return e.unwanted(a) == "" }

// unwanted is why an entry does not ask for an alert, "" if it does.
func (e *Entry) unwanted(a *schema.Alert) string {
	ranks := []schema.Severity{schema.Low, schema.Medium, schema.High, schema.Critical}
	least := slices.Index(ranks, schema.Severity(e.MinSeverity))
	source := func(p netip.Prefix) bool { return p.Contains(a.Source) }
	touched := func(asset schema.Asset) bool { return slices.Contains(e.Assets, asset.Name) }
	// A severity that a newer detector wrote is unknown here: it goes through.
	switch rank := slices.Index(ranks, a.Severity); {
	case rank >= 0 && rank < least:
		return "min-severity " + e.MinSeverity
	case !among(e.Kinds, string(a.Kind)):
		return fmt.Sprintf("kinds %v", e.Kinds)
	case !among(e.States, string(a.State)):
		return fmt.Sprintf("states %v", e.States)
	case !among(e.Sites, a.Site):
		return fmt.Sprintf("sites %v", e.Sites)
	case len(e.Sources) > 0 && !slices.ContainsFunc(e.Sources, source):
		return fmt.Sprintf("sources %v", e.Sources)
	case len(e.Assets) > 0 && !slices.ContainsFunc(a.Assets, touched) && !(slices.Contains(e.Assets, anyAsset) && len(a.Assets) > 0):
		return fmt.Sprintf("assets %v", e.Assets)
	}
	return ""
}

// anyAsset stands for every asset in an entry's list.
const anyAsset = "*"

// among reports whether a word is in a list, or the list asks for none.
func among(list []string, word string) bool { return len(list) == 0 || slices.Contains(list, word) }

// decide is what becomes of an alert at a moment of ours.
func (p *policy) decide(a *schema.Alert, now time.Time) fate {
	if !p.e.Wants(a) {
		return unwanted
	}
	if p.e.belongs(a) {
		return inDigest
	}
	before, known := p.last[a.ID]
	if known && a.State == schema.Update && a.Severity == before.severity && a.LastSeen.Sub(before.at) < p.e.UpdatesEvery {
		return thinned
	}
	if p.e.PerMinute > 0 {
		if m := now.Truncate(time.Minute); !m.Equal(p.minute) {
			p.minute, p.said = m, 0
		}
		if p.said >= p.e.PerMinute {
			return limited
		}
		p.said++
	}
	p.remember(a)
	return sent
}

func (p *policy) remember(a *schema.Alert) {
	if p.e.UpdatesEvery == 0 {
		return
	}
	if a.State == schema.Close {
		delete(p.last, a.ID)
		return
	}
	if len(p.last) >= maxRemembered {
		clear(p.last) // one more update of each is the price
	}
	p.last[a.ID] = lastSaid{a.LastSeen, a.Severity}
}
