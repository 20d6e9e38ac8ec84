package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/internal/defaults"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/detect"
)

// nowhere says that no setting was given.
func nowhere(string) string { return "" }

func choose(t *testing.T, name, text string) *rules.InForce {
	t.Helper()
	c := rules.New(rules.ChoiceConfig{Rules: "rules.yaml", Profile: name}, defaults.Of[detect.Rules](), nowhere)
	if err := c.Take([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return c.InForce()
}

func TestWithoutAChoiceTheRulesAreTheDefaults(t *testing.T) {
	c, err := rules.Load(rules.ChoiceConfig{}, defaults.Of[detect.Rules](), nowhere)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults.Of[detect.Rules](), c.InForce().Rules); diff != "" {
		t.Errorf("(-defaults +in force)\n%s", diff)
	}
}

func TestTheProfilesThatShipAreCheckedAndSayWhyEachValueDiffers(t *testing.T) {
	list, err := rules.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
		if p.About == "" || !p.Shipped {
			t.Errorf("%s: about %q, shipped %v", p.Name, p.About, p.Shipped)
		}
		for rule, from := range p.From {
			if rule != "busy-ports" && !strings.Contains(from, "profile "+p.Name+": ") {
				t.Errorf("%s: %s does not say why: %q", p.Name, rule, from)
			}
		}
		if same := cmp.Equal(p.Rules, defaults.Of[detect.Rules]()); same != (p.Name == rules.Default) {
			t.Errorf("%s is the default: %v", p.Name, same)
		}
	}
	if diff := cmp.Diff([]string{"default", "internet-edge", "internal", "telescope"}, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestATelescopeAsksNothingOfThePortTheProtocolOrTheAnswers(t *testing.T) {
	r := choose(t, "telescope", "").Rules
	if r.FailureRatio != 0 || r.UDPFactor != 1 || r.BusyFactor != 1 || len(r.BusyPorts) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestAProfileHasFromTheOneItExtendsWhatItDoesNotSay(t *testing.T) {
	text := `
dmz: {extends: edge, vertical: [10, 11, 12, 13]}
edge:
  extends: internet-edge
  udp-factor: 3 # VoIP
internet-edge: {busy-factor: 8}
plain: {busy-ports: [443]}
`
	f := choose(t, "dmz", text)
	want := defaults.Of[detect.Rules]()
	want.Vertical, want.UDPFactor, want.BusyFactor = []uint32{10, 11, 12, 13}, 3, 8
	want.HorizontalExternal, want.Sweep = []uint32{50, 100, 200, 300}, []uint32{50, 100, 160, 240} // as ships
	want.BusyPorts = append(want.BusyPorts, 25, 853)
	if diff := cmp.Diff(want, f.Rules); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for rule, from := range map[string]string{
		"vertical": "profile dmz", "udp-factor": "profile edge: VoIP", "busy-factor": "profile internet-edge", "block": "",
	} {
		if f.From[rule] != from {
			t.Errorf("%s is from %q, want %q", rule, f.From[rule], from)
		}
	}
	plain := choose(t, "plain", text).Rules
	want = defaults.Of[detect.Rules]()
	want.BusyPorts = []uint16{443}
	if diff := cmp.Diff(want, plain); diff != "" {
		t.Errorf("plain (-want +got)\n%s", diff)
	}
}

func TestAMistakeInARulesFileIsToldWithItsLineItsProfileItsKeyAndWhatToWrite(t *testing.T) {
	for text, want := range map[string]string{
		"dmz: {vertcal: [1, 2, 3, 4]}":                      "line 1: profile dmz: vertcal is not a rule; did you mean vertical?",
		"dmz: {window: 24h}":                                "line 1: profile dmz: window is not a rule; there are [vertical",
		"\ndmz:\n  vertical: [10, 20]":                      "line 3: profile dmz: vertical: 2 thresholds: give 4, for 5m, 1h, 24h and the window",
		"dmz:\n  sweep: [1, 20, 30, 40]":                    "line 2: profile dmz: sweep: threshold 1: give 2 to 1000",
		"dmz: {udp-factor: 1.5}":                            `line 1: profile dmz: udp-factor: "1.5" is not accepted: want a whole number`,
		"dmz: {failure-ratio: 70}":                          "line 1: profile dmz: failure-ratio 70: give a share from 0 to 1",
		"dmz: {busy-ports: [80, http]}":                     `line 1: profile dmz: busy-ports: "80,http" is not accepted: want a list, each a whole number from 0 to 65535`,
		"dmz: {block: }":                                    "line 1: profile dmz: block has no value",
		"dmz: {udp-factor: [1]}":                            "line 1: profile dmz: udp-factor: want a whole number",
		"dmz: {block: {a: b}}":                              "line 1: profile dmz: block: want a list",
		"dmz: {extends: internet-edg}":                      `line 1: profile dmz: extends "internet-edg", which is no profile; did you mean internet-edge?`,
		"a: {extends: b}\nb: {extends: c}\nc: {extends: a}": "line 1: profile a extends itself: a extends b extends c extends a",
		"dmz: {extends: dmz}":                               `line 1: profile dmz: extends "dmz", which is no profile`,
		"dmz: {block: [9,9,9,9], block: [8,8,8,8]}":         "line 1: profile dmz: block stands in line 1 already",
		"dmz: {}\ndmz: {}":                                  "line 2: profile dmz stands in line 1 already",
		"dmz: 7":                                            "line 1: profile dmz: want rules by name",
		"- vertical":                                        "line 1: want profiles by name",
		"dmz: [":                                            "line 1: ",
		"dmz: {}\n---\nother: {}":                           "a second document begins here",
		"vertical: [15, 20, 30, 40]":                        "line 1: profile vertical: want rules by name",
		"dmz: {about: , block: [50, 75, 100, 150]}":         "line 1: profile dmz: about: want a text",
		"lan: {extends: dmz}\ndmz: {extends: nowhere}":      `line 2: profile dmz: extends "nowhere", which is no profile; there are [`,
	} {
		_, err := rules.Read([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestAllThatIsWrongWithARulesFileIsToldAtOnce(t *testing.T) {
	_, err := rules.Read([]byte(`a:
  vertcal: [1, 2, 3, 4]
  sweep: [1, 20, 30, 40]
  failure-ratio: 70
  busy-factor: many
  block: [50, 75]
b: {extends: a, udp-factor: 0}
c: {extends: d}
`))
	want := `line 2: profile a: vertcal is not a rule; did you mean vertical?
line 3: profile a: sweep: threshold 1: give 2 to 1000
line 4: profile a: failure-ratio 70: give a share from 0 to 1
line 5: profile a: busy-factor: "many" is not accepted: want a whole number from 0 to 4294967295
line 6: profile a: block: 2 thresholds: give 4, for 5m, 1h, 24h and the window
line 7: profile b: udp-factor 0: give 1 to 1000
line 8: profile c: extends "d", which is no profile; there are [default internet-edge internal telescope a b]`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAProfileThatIsNotThereIsRefusedWithTheNearest(t *testing.T) {
	_, err := rules.Load(rules.ChoiceConfig{Profile: "telescop"}, defaults.Of[detect.Rules](), nowhere)
	if want := `profile: there is no profile "telescop"; did you mean telescope?`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := rules.Load(rules.ChoiceConfig{Rules: "nowhere.yaml"}, defaults.Of[detect.Rules](), nowhere); err == nil || !strings.HasPrefix(err.Error(), "rules: ") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestAnExplicitSettingWinsOverTheProfileAlsoAfterTheFileWasReadAgain(t *testing.T) {
	own := defaults.Of[detect.Rules]()
	own.Vertical = []uint32{7, 7, 7, 7}
	c := rules.New(rules.ChoiceConfig{Rules: "rules.yaml", Profile: "dmz"}, own, func(setting string) string {
		return map[string]string{"vertical": "--vertical"}[setting]
	})
	for _, ports := range []int{80, 81} {
		if err := c.Take(fmt.Appendf(nil, "dmz: {vertical: [9, 9, 9, 9], busy-ports: [%d]}", ports)); err != nil {
			t.Fatal(err)
		}
		f := c.InForce()
		if f.Rules.Vertical[0] != 7 || f.From["vertical"] != "--vertical" || int(f.Rules.BusyPorts[0]) != ports {
			t.Errorf("%+v from %v", f.Rules, f.From)
		}
	}
}

func TestABrokenTextLeavesTheFormerInForceAndTheSameRulesKeepTheirAge(t *testing.T) {
	c := rules.New(rules.ChoiceConfig{Rules: "rules.yaml", Profile: "dmz"}, defaults.Of[detect.Rules](), nowhere)
	if err := c.Take([]byte("dmz: {udp-factor: 5}")); err != nil {
		t.Fatal(err)
	}
	first := c.InForce()
	for _, broken := range []string{"dmz: {udp-factor: five}", "other: {}", "dmz: {udp-factor: 5000}"} {
		if err := c.Take([]byte(broken)); err == nil || c.InForce() != first {
			t.Errorf("%s: %v", broken, err)
		}
	}
	if err := c.Take([]byte("# the same\ndmz: {udp-factor: 5}")); err != nil || c.InForce().Since != first.Since {
		t.Errorf("%v, since %v and %v", err, c.InForce().Since, first.Since)
	}
	if err := c.Take([]byte("dmz: {udp-factor: 6}")); err != nil || c.InForce().Since == first.Since {
		t.Errorf("%v, since %v", err, c.InForce().Since)
	}
}

func TestAFileThatChangesNothingOfWhatIsChosenSaysSo(t *testing.T) {
	if f := choose(t, "telescope", "dmz: {udp-factor: 5}"); !f.Idle() || !strings.Contains(string(f.Text()), "rules.yaml does not change it") {
		t.Errorf("%s", f.Text())
	}
	if f := choose(t, "telescope", "telescope: {udp-factor: 5}"); f.Idle() {
		t.Errorf("%s", f.Text())
	}
}

func TestProfilesAreWrittenAsARulesFileThatSaysTheSame(t *testing.T) {
	list, err := rules.Read([]byte("dmz: {udp-factor: 5, busy-ports: []}"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := rules.Read(rules.Text(list...))
	if err != nil {
		t.Fatalf("%v\n%s", err, rules.Text(list...))
	}
	for i := range list {
		if a, b := list[i].Rules, again[i].Rules; fmt.Sprint(a) != fmt.Sprint(b) || list[i].About != again[i].About {
			t.Errorf("%s: %+v became %+v", list[i].Name, a, b)
		}
	}
}

func TestTheExampleInTheDocsIsARulesFile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(text), "# rules.yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if list, err := rules.Read([]byte(example)); !found || err != nil || len(list) < 5 {
		t.Errorf("found %v, %d profiles, %v", found, len(list), err)
	}
}
