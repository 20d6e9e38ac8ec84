package output

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/schema/siem"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func alert(id string, revision uint32) *schema.Alert {
	return &schema.Alert{
		ID: id, Revision: revision, State: schema.Open, Kind: schema.Horizontal, Severity: schema.Medium,
		Source: netip.MustParseAddr("198.51.100.7"), Site: "berlin", Touched: schema.Touched{Assets: []schema.Asset{{Name: "billing"}}, AssetsCount: 1}, FirstSeen: noon, LastSeen: noon,
	}
}

func TestAnEntryWantsWhatItAsksFor(t *testing.T) {
	prefix := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	for _, c := range []struct {
		e     Entry
		wants bool
	}{
		{Entry{}, true},
		{Entry{MinSeverity: "medium", Kinds: []string{"horizontal"}, States: []string{"open"}, Sites: []string{"berlin"}, Sources: prefix}, true},
		{Entry{MinSeverity: "high"}, false},
		{Entry{Kinds: []string{"vertical", "block"}}, false},
		{Entry{States: []string{"close"}}, false},
		{Entry{Sites: []string{"paris"}}, false},
		{Entry{Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, false},
		{Entry{Assets: []string{"vpn", "billing"}}, true},
		{Entry{Assets: []string{"*"}}, true},
		{Entry{Assets: []string{"vpn"}}, false},
	} {
		if got := c.e.Wants(alert("a", 1)); got != c.wants {
			t.Errorf("%+v: %v", c.e, got)
		}
	}
	unknown := alert("a", 1)
	unknown.Severity = "apocalyptic"
	if e := (Entry{MinSeverity: "critical"}); !e.Wants(unknown) {
		t.Error("a severity of a newer detector is held back")
	}
}

func TestUpdatesAreThinnedButNotWhatMatters(t *testing.T) {
	p := newPolicy(&Entry{UpdatesEvery: time.Hour})
	say := func(id string, s schema.State, severity schema.Severity, after time.Duration) fate {
		a := alert(id, 1)
		a.State, a.Severity, a.LastSeen = s, severity, noon.Add(after)
		return p.decide(a, noon)
	}
	for i, c := range []struct {
		got, want fate
	}{
		{say("a", schema.Open, schema.Low, 0), sent},
		{say("a", schema.Update, schema.Low, time.Minute), thinned},
		{say("b", schema.Update, schema.Low, time.Minute), sent}, // its opening was before this program began
		{say("a", schema.Update, schema.Critical, 2*time.Minute), sent},
		{say("a", schema.Update, schema.Critical, 3*time.Minute), thinned},
		{say("a", schema.Update, schema.Critical, 63*time.Minute), sent},
		{say("a", schema.Close, schema.Critical, 64*time.Minute), sent},
		{say("a", schema.Update, schema.Critical, 65*time.Minute), sent}, // it came back
	} {
		if c.got != c.want {
			t.Errorf("%d: %s, want %s", i, fateNames[c.got], fateNames[c.want])
		}
	}
}

func TestMoreThanTheMinuteAllowsIsHeldBack(t *testing.T) {
	p := newPolicy(&Entry{PerMinute: 2})
	for i, want := range []fate{sent, sent, limited, limited, sent} {
		now := noon
		if i == 4 {
			now = noon.Add(time.Minute)
		}
		if got := p.decide(alert("a", uint32(i+1)), now); got != want {
			t.Errorf("%d: %s", i, fateNames[got])
		}
	}
}

// gone is a receiver that takes nothing once its context has ended.
type gone struct{ took int }

func (g *gone) send(ctx context.Context, docs []document) error {
	if ctx.Err() != nil {
		return errors.New("away")
	}
	g.took += len(docs)
	return nil
}

func (g *gone) close() {}

// What was cut off before its receiver took it comes again: it is not thinned as if it had been said.
func TestWhatWasNotTakenIsNotThinnedWhenItComesAgain(t *testing.T) {
	e, to := &Entry{UpdatesEvery: time.Hour, PerMinute: 1}, new(gone)
	o := &output{Entry: e, log: slog.New(slog.DiscardHandler), writer: siem.Writer{Format: siem.Native}, policy: newPolicy(e), sink: to}
	a := alert("a", 2)
	a.State = schema.Update
	text, err := schema.AppendAlert(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	records := []*kgo.Record{{Value: text}}
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Process(cut, records); err == nil {
		t.Fatal("taken by a receiver that is away")
	}
	if _, err := o.Process(t.Context(), records); err != nil || to.took != 1 {
		t.Errorf("%d taken, %v", to.took, err)
	}
}
