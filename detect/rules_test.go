package detect_test

import (
	"testing"
	"time"

	"github.com/scanhound/scanhound/internal/defaults"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

func TestNewRulesJudgeWhatWasCountedBeforeThem(t *testing.T) {
	high, low := defaults.Of[detect.Rules](), defaults.Of[detect.Rules]()
	for _, list := range []*[]uint32{&high.Vertical, &high.HorizontalInternal, &high.HorizontalExternal, &high.Block, &high.Sweep, &high.Protocols} {
		*list = []uint32{500, 500, 500, 500} // all: what no rule can reach is not even looked at
	}
	d := newDetector(t, func(c *detect.Config) { c.Rules = high })
	flows := horizontalScan(41, 22, time.Second)
	if said := d.Observe(flows[:40], 0); len(said) != 0 {
		t.Fatalf("%d alerts below the threshold", len(said))
	}
	if err := d.SetRules(low); err != nil {
		t.Fatal(err)
	}
	said := d.Observe(flows[40:], 1)
	if len(said) != 1 || said[0].State != schema.Open || said[0].Pairs.Count != 41 || said[0].Threshold != 25 {
		t.Errorf("said %+v, want one alert of all 41 targets", said)
	}
}

func TestRulesThatChangeBeforeAnythingCrossesAreAsIfTheyHadAlwaysBeenSo(t *testing.T) {
	high := defaults.Of[detect.Rules]()
	for _, list := range []*[]uint32{&high.Vertical, &high.HorizontalInternal, &high.HorizontalExternal, &high.Block, &high.Sweep, &high.Protocols} {
		*list = []uint32{100, 200, 300, 400}
	}
	var vertical, block []schema.Flow
	for i := range 120 {
		at := time.Duration(i) * time.Second
		vertical = append(vertical, syn(scanner, target(1), uint16(1000+i), at))
		block = append(block, syn(scanner, target(i%11), uint16(1000+i%10), at))
	}
	for name, flows := range map[string][]schema.Flow{"horizontal": horizontalScan(120, 22, time.Second), "vertical": vertical, "block": block} {
		want := alertsOf(t, newDetector(t, nil), flows)
		for n := 0; n < 60; n += 3 {
			d := newDetector(t, func(c *detect.Config) { c.Rules = high })
			early := len(newDetector(t, nil).Observe(flows[:n], 0))
			said := len(d.Observe(flows[:n], 0))
			if early+said > 0 {
				break
			}
			if err := d.SetRules(defaults.Of[detect.Rules]()); err != nil {
				t.Fatal(err)
			}
			var got []schema.Alert
			for i := n; i < len(flows); i++ {
				got = append(got, d.Observe(flows[i:i+1], int64(i))...)
			}
			got = append(got, d.Finish("end of input")...)
			if diff := cmp.Diff(messages(want), messages(got)); diff != "" {
				t.Errorf("%s, changed after %d flows (-always +changed)\n%s", name, n, diff)
			}
		}
	}
}

// messages are the revisions with why they were written.
func messages(alerts []schema.Alert) (all []string) {
	for _, a := range alerts {
		all = append(all, a.MessageID()+" "+a.Reason)
	}
	return all
}

func TestHigherRulesLeaveAnOpenAlertOpen(t *testing.T) {
	d := newDetector(t, nil)
	flows := horizontalScan(200, 22, time.Second)
	all := append([]schema.Alert{}, d.Observe(flows[:40], 0)...)
	high := defaults.Of[detect.Rules]()
	high.HorizontalExternal = []uint32{1000, 1000, 1000, 1000}
	if err := d.SetRules(high); err != nil {
		t.Fatal(err)
	}
	all = append(all, d.Observe(flows[40:], 1)...)
	all = append(all, d.Finish("end of input")...)
	checkLives(t, all)
	if last := finals(all); len(last) != 1 || last[0].Pairs.Count != 200 {
		t.Errorf("%d alerts: %+v", len(last), last)
	}
}

func TestWrongRulesChangeNothing(t *testing.T) {
	d := newDetector(t, nil)
	wrong := defaults.Of[detect.Rules]()
	wrong.Vertical, wrong.FailureRatio = []uint32{2, 2, 2, 2}, 7
	if err := d.SetRules(wrong); err == nil {
		t.Error("they are taken")
	}
	if diff := cmp.Diff(defaults.Of[detect.Rules](), d.Rules()); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

func TestTheSameRulesAgainChangeNothingThatIsSaid(t *testing.T) {
	flows := horizontalScan(120, 22, time.Second)
	for i := range 60 {
		flows = append(flows, syn(scanner, target(i%10), uint16(1000+i), time.Duration(120+i)*time.Second))
	}
	want := alertsOf(t, newDetector(t, nil), flows)
	d := newDetector(t, nil)
	var got []schema.Alert
	for i := range flows {
		if err := d.SetRules(defaults.Of[detect.Rules]()); err != nil {
			t.Fatal(err)
		}
		got = append(got, d.Observe(flows[i:i+1], int64(i))...)
	}
	got = append(got, d.Finish("end of input")...)
	if diff := cmp.Diff(messages(want), messages(got)); diff != "" {
		t.Errorf("(-once +again and again)\n%s", diff)
	}
}
