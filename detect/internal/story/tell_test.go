package story

import (
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

const sweep = `A host on the internet tries port 22 of 60 hosts, one a second.
-- settings --
internal 10.0.0.0/8
-- flows --
08:00 every 1s x60  198.51.100.7 -> 10.0.0.1+ tcp/22 syn
-- alerts --
`

const sweepTable = `#  time           state  kind        severity  source        rule           hosts  ports  pairs  why
1  day1 08:00:24  open   horizontal  low       198.51.100.7  horizontal@5m  25     1      25     threshold 25, confidence high
1  day1 08:00:59  close  horizontal  low       198.51.100.7  horizontal@5m  60     1      60     end of the story
`

func TestAStoryIsToldWithWhatIsSaidNow(t *testing.T) {
	for name, old := range map[string]string{"untold": "", "old": "1 day1 nothing like it\n", "right": sweepTable} {
		now, err := Tell("testdata/alert-a.txtar", []byte(sweep+old))
		if err != nil || string(now) != sweep+sweepTable {
			t.Errorf("%s: %v\n%s", name, err, now)
		}
	}
}

// What Tell does not return cannot be written by -update.
func TestAStoryNeverTurnsFromSilentToAlertNorBack(t *testing.T) {
	silent := strings.Replace(sweep, "x60", "x6", 1)
	for path, text := range map[string]string{"silent-a.txtar": sweep, "alert-a.txtar": silent, "scan.txtar": sweep} {
		if now, err := Tell(path, []byte(text)); err == nil || now != nil {
			t.Errorf("%s is told: %s", path, now)
		}
	}
	if now, err := Tell("silent-a.txtar", []byte(silent)); err != nil || string(now) != silent {
		t.Errorf("%v: %s", err, now)
	}
}

func TestACounterThatAStoryIsAboutMustHaveCounted(t *testing.T) {
	for guards, want := range map[string]string{"multicast 1": "\"multicast\" counted nothing", "bogus": "\"bogus\" counted nothing"} {
		if _, err := Tell("alert-a.txtar", []byte(sweep+"-- guards --\n"+guards+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	now, err := Tell("alert-a.txtar", []byte(sweep+"-- guards --\ncounted 1\n"))
	if err != nil || !strings.HasSuffix(string(now), "-- guards --\ncounted 60\n") {
		t.Errorf("%v: %s", err, now)
	}
}

func TestANumberMayBeAsFarOffAsTheStorySays(t *testing.T) {
	told := func(may string) (string, error) {
		now, err := Tell("alert-a.txtar", []byte(sweep+"-- may --\n"+may+"\n"))
		return string(now), err
	}
	now, err := told("1 hosts 61 2.5%\n1 pairs 60 1%")
	if err != nil || !strings.Contains(now, "horizontal@5m  61±2.5%  1      60±1%  end of the story") || !strings.Contains(now, "horizontal@5m  25       1      25     threshold") {
		t.Errorf("%v: %s", err, now)
	}
	for may, want := range map[string]string{
		"1 hosts 62 2.5%": "line 8: 60 hosts are said, not 62±2.5%",
		"1 ports 2 1%":    "line 8: 1 ports are said, not 2±1%",
		"2 hosts 60 2.5%": "line 8: there is no alert 2",
		"1 hosts 60":      "a.txtar:8: \"1 hosts 60\": write the number of the alert",
		"1 flows 60 1%":   "give hosts, ports or pairs",
		"1 hosts none 1%": "give the number that is true",
		"1 hosts 60 1":    "give a tolerance such as 2.5%",
		"0 hosts 60 1%":   "give the number of an alert",
	} {
		if now, err := told(may); err == nil || now != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", may, err, want)
		}
	}
}

func TestADatagramIsOfOneExporterAndHasAtMostTenFlows(t *testing.T) {
	s, err := parse("a.txtar", []byte(`Why.
-- flows --
08:00 every 1s x100 10.0.0.1 -> 10.0.0.2 tcp/22 session
08:00:20 every 7s x5 10.0.0.3 -> 10.0.0.4 tcp/22 syn exporter 192.0.2.9
-- alerts --
`))
	if err != nil {
		t.Fatal(err)
	}
	total, last := 0, schema.Time(0)
	s.datagrams(func(flows []schema.Flow) bool {
		for _, f := range flows {
			if f.Exporter.Addr != flows[0].Exporter.Addr || f.Received < last {
				t.Errorf("%+v among flows of %s, after %v", f, flows[0].Exporter.Addr, last)
			}
			last = f.Received
		}
		if total += len(flows); len(flows) == 0 || len(flows) > 10 {
			t.Errorf("%d flows in a datagram", len(flows))
		}
		return true
	})
	if total != 205 {
		t.Errorf("%d flows", total)
	}
}

func TestAnAlertsLifeIsCheckedToItsEnd(t *testing.T) {
	r := func(id string, n uint32, state schema.State) schema.Alert {
		return schema.Alert{ID: id, Revision: n, State: state}
	}
	reopened := r("a", 3, schema.Update)
	reopened.Severity, reopened.Reason = schema.Critical, GotIn+": 10.0.0.1"
	for name, c := range map[string]struct {
		said []schema.Alert
		want string
	}{
		"nothing":               {nil, ""},
		"opened and closed":     {[]schema.Alert{r("a", 1, schema.Open), r("b", 1, schema.Open), r("a", 2, schema.Close), r("b", 2, schema.Close)}, ""},
		"got in after the end":  {[]schema.Alert{r("a", 1, schema.Open), r("a", 2, schema.Close), reopened, r("a", 4, schema.Close)}, ""},
		"never closed":          {[]schema.Alert{r("a", 1, schema.Open), r("a", 2, schema.Update)}, "a never closed"},
		"a revision is missing": {[]schema.Alert{r("a", 1, schema.Open), r("a", 3, schema.Close)}, "a: revision 3 after 1"},
		"never opened":          {[]schema.Alert{r("a", 1, schema.Close)}, "a: close after"},
		"opened twice":          {[]schema.Alert{r("a", 1, schema.Open), r("a", 2, schema.Open)}, "a: open after"},
		"updated after the end": {[]schema.Alert{r("a", 1, schema.Open), r("a", 2, schema.Close), r("a", 3, schema.Update)}, "a: update after"},
	} {
		if err := CheckLives(c.said); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestAnAlertThatIsUpdatedTooOftenIsUnbearable(t *testing.T) {
	said := []revision{{time.Time{}, schema.Alert{ID: "a", Revision: 1, State: schema.Open}}}
	for range maxUpdates + 2 {
		said = append(said, revision{time.Time{}, schema.Alert{ID: "a", Revision: uint32(len(said) + 1), State: schema.Update}})
	}
	said[len(said)-1].State = schema.Close
	if err := bearable(said); err == nil || !strings.Contains(err.Error(), "a was updated 13 times") {
		t.Error(err)
	}
	for i := range said[:5] {
		said[i].Reason = GotIn // each of these is news
	}
	if err := bearable(said); err != nil {
		t.Error(err)
	}
}

func TestAFlowWithoutAFateIsFound(t *testing.T) {
	if err := CheckFates(detect.Stats{Consumed: 2, Counted: 1, Late: 1}); err != nil {
		t.Error(err)
	}
	if err := CheckFates(detect.Stats{Consumed: 3, Counted: 1, Late: 1}); err == nil {
		t.Error("one of three has no fate")
	}
}
