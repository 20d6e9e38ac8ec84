package detector

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestARestorationSaysItsShareItsPaceAndWhatIsLeft(t *testing.T) {
	x := halfway(t)
	if err := x.kafka.DeleteTopic("scanhound.state.v1"); err != nil {
		t.Fatal(err)
	}
	o := x.open(x.detector()).prepare()
	if how := o.restoring(); how == nil || strings.Contains(how.Error(), "flows/s") {
		t.Errorf("before the first flow: %v", how)
	}
	o.step(50, false, false)
	o.mu.Lock()
	p, ok := o.pace(o.restore.counting.began.Add(2 * time.Second))
	o.mu.Unlock()
	all := x.at.Committed // records, of ten flows each
	if want := 50 / float64(all); !ok || p.share != want || p.flows != 250 || p.left.Round(time.Millisecond) != time.Duration(float64(all-50)/50*2*float64(time.Second)).Round(time.Millisecond) {
		t.Errorf("%+v of %d records", p, all)
	}
	o.d.logProgress()
	for _, says := range []string{"msg=restoring", fmt.Sprintf("partition 0: restoring, %d records to count again", all-50), "% done", "flows/s", "s left"} {
		if !x.log.has(says) {
			t.Errorf("the log does not say %q", says)
		}
	}
	o.end()
}
