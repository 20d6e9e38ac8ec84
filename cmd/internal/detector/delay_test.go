package detector

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

func TestTheTimeFromAFlowToTheAlertThatItOpensIsMeasured(t *testing.T) {
	x := newTrial(t, 1)
	o := x.open(x.d).prepare()
	begun := time.Now().Add(-time.Minute)
	arrived := begun.Add(10 * time.Second)
	r := &kgo.Record{Topic: schema.FlowsTopic, Value: scan(1, begun), Timestamp: arrived}
	if _, err := o.Process(t.Context(), []*kgo.Record{r}); err != nil {
		t.Fatal(err)
	}
	all := metrics(x.d)
	for name, want := range map[string]float64{"alert_delay": 60, "alert_delay_arrival": 50} {
		name = "scanhound_detector_" + name + "_seconds"
		if n, sum := all[name+"_count"], all[name+"_sum"]; n != 1 || sum < want-1 || sum > want+30 {
			t.Errorf("%s: %v alerts, %v s together", name, n, sum)
		}
	}
	if at := all["scanhound_detector_last_alert_timestamp_seconds"]; at < float64(begun.Unix()) {
		t.Errorf("the last alert was at %v", at)
	}
}

// metrics are the lines of /metrics.
func metrics(d *Detector) map[string]float64 {
	w := httptest.NewRecorder()
	d.service.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	all := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all[name], _ = strconv.ParseFloat(value, 64) // a comment is 0
		}
	}
	return all
}
