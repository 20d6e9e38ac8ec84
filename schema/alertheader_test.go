package schema_test

import (
	"strings"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

func TestTheHeaderOfAnAlertIsReadBesideWhatIsNotKnown(t *testing.T) {
	for _, c := range []struct{ text, subject, id string }{
		{`{"id":"ab","revision":3,"state":"open","kind":"sweep","severity":"low","site":"berlin"}`, "alerts.scan.lab.a.ab", "ab.3"},
		{` { "from_tomorrow" : {"id":[1,{}]}, "severity":"dire", "kind":"slow-loris", "revision":1, "id":"x", "first_seen": 5 } `, "alerts.scan.lab.x.x", "x.1"},
		{`{"id":"ab","revision":4294967295,"kind":"mixed","severity":"high","site":"a.b *>"}`, "alerts.scan.lab.a.ab", "ab.4294967295"},
	} {
		h, err := schema.ReadAlertHeader([]byte(c.text))
		if err != nil || h.Subject("lab") != c.subject || h.MessageID() != c.id {
			t.Errorf("%s: %+v, subject %s, id %s, %v", c.text, h, h.Subject("lab"), h.MessageID(), err)
		}
	}
}

func TestWhatHasNoHeaderIsNoAlert(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "decode alert"},
		{`[]`, "decode alert"},
		{`garbage`, "decode alert"},
		{`{"id":"x","revision":1,"kind":"sweep","severity":"low"} trailing`, "decode alert"},
		{`{"id":"x","revision":1,"kind":"sweep","severity":"low","more":{]}`, "decode alert"},
		{`{"id":"x","revision":1,"kind":"sweep","severity":"low"`, "decode alert"},
		{`{"id":"x","revision":"one","kind":"sweep","severity":"low"}`, "decode alert"},
		{`{"id":"x","revision":4294967296,"kind":"sweep","severity":"low"}`, "decode alert"},
		{`{"id":"x.y","revision":1,"kind":"sweep","severity":"low"}`, `id "x.y"`},
		{`{"id":"","revision":1,"kind":"sweep","severity":"low"}`, "id or revision is missing"},
		{`{"id":"x","kind":"sweep","severity":"low"}`, "id or revision is missing"},
		{`{"id":"x","revision":1,"severity":"low"}`, `kind ""`},
		{`{"id":"x","revision":1,"kind":"sweep"}`, `severity ""`},
		{`{"id":"x","revision":1,"kind":"a.>","severity":"low"}`, `kind "a.>"`},
		{`{"id":"x","revision":1,"kind":"sweep","severity":"very low"}`, `severity "very low"`},
	} {
		h, err := schema.ReadAlertHeader([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || h != (schema.AlertHeader{}) {
			t.Errorf("%s: %+v, %v, want %q", c.text, h, err, c.want)
		}
	}
}

func TestTheHeaderOfAnAlertIsThatOfItsWireForm(t *testing.T) {
	a := schema.Alert{ID: "ab", Revision: 7, Kind: schema.Block, Severity: schema.Critical, Site: "lab", Reason: "grew"}
	text, err := schema.AppendAlert(nil, &a)
	if err != nil {
		t.Fatal(err)
	}
	if h, err := schema.ReadAlertHeader(text); err != nil || h != a.Header() {
		t.Errorf("read %+v, wrote %+v, %v", h, a.Header(), err)
	}
	if a.MessageID() != "ab.7" || schema.Subject(&a, "else") != "alerts.scan.else.a.ab" {
		t.Errorf("id %s, subject %s", a.MessageID(), schema.Subject(&a, "else"))
	}
}

func TestSevereAlertsHaveCopies(t *testing.T) {
	for severity, want := range map[schema.Severity]string{
		schema.Low: "", schema.Medium: "", "dire": "",
		schema.High: "alerts.high.lab.a.ab", schema.Critical: "alerts.high.lab.a.ab alerts.critical.lab.a.ab",
	} {
		h := schema.AlertHeader{ID: "ab", Severity: severity}
		if got := strings.Join(h.SevereSubjects("lab"), " "); got != want {
			t.Errorf("%s: %s", severity, got)
		}
	}
}

func FuzzAnAlertHeaderHasANameAndASubject(f *testing.F) {
	f.Add([]byte(`{"id":"ab","revision":3,"kind":"sweep","severity":"low","site":"berlin"}`))
	f.Add([]byte(`{"id":"\n","revision":1,"kind":"\u0000","severity":"a.b"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := schema.ReadAlertHeader(b)
		if err != nil {
			return
		}
		if s := h.Subject(""); strings.Count(s, ".") != 4 || strings.ContainsAny(s, "*> \t\r\n") || strings.Contains(s, "..") {
			t.Errorf("%q: subject %q", b, s)
		}
		if h.ID == "" || h.Revision == 0 {
			t.Errorf("%q: id %q", b, h.MessageID())
		}
	})
}
