package cmd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIngestHasReceivedWhenItIsToldToEndIsInKafka(t *testing.T) {
	w := newWorld(t)
	in := w.launch("ingest")
	in.becomesReady()
	var datagrams [][]byte
	for i := range 300 { // what the smallest usual socket buffer holds, and more than one batch
		datagrams = append(datagrams, ordinary(time.Now(), byte(i>>8), byte(i)))
	}
	send(t, in.listens(), datagrams)
	if code := in.terminate(); code != 0 {
		t.Errorf("ended with %d", code)
	}
	if got, want := len(flowsIn(t, w)), 300*len(hosts); got != want {
		t.Errorf("%d flows of %d are in Kafka", got, want)
	}
}

func TestADetectorThatIsKilledIsReplacedByOneThatSaysTheSameAndNothingTwice(t *testing.T) {
	w := newWorld(t)
	in, al := w.launch("ingest"), w.launch("alerter")
	// With a name of its own a new one need not wait until the group has given the dead one up.
	killed := w.launch("detector", "--consumer-instance-id=detector-0")
	rec := record(t, "softflowd-v5")
	half := len(rec.datagrams) / 2
	for _, p := range []*process{in, al, killed} {
		p.becomesReady()
	}
	play(t, in, rec.datagrams[:half])
	w.commits("scanhound-detector.v1") // or it would begin at the beginning
	send(t, in.listens(), rec.datagrams[half:half+40])
	killed.kill()
	before := len(w.alertsInKafka("scanhound.alerts.v1"))
	if before == 0 {
		t.Fatal("nothing was said before the kill: it shows nothing")
	}
	play(t, in, rec.datagrams[half+40:])
	next := w.launch("detector", "--consumer-instance-id=detector-0")
	next.becomesReady()
	w.settles()
	if next.metrics()[`scanhound_detector_alerts_total{fate="said_before"}`] == 0 {
		t.Error("the new one has not rebuilt what the killed one knew")
	}

	// The reference reads the same topic from its beginning, and nobody kills it.
	reference := w.launch("detector", "--detector-group=reference", "--alerts-topic=reference")
	reference.becomesReady()
	w.waits("reference", "scanhound.flows.v1")
	want := w.alertsInKafka("reference")
	if diff := cmp.Diff(byMessage(t, want), byMessage(t, w.alerts())); diff != "" {
		t.Errorf("alerts on NATS differ from those without a kill (-without +with):\n%.4000s", diff)
	}
	checkTruth(t, lastOfEach(t, want))
	for _, p := range []*process{in, al, next, reference} {
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d", p.name, code)
		}
	}
}

func TestADetectorThatIsKilledGoesOnFromItsStateAndReadsLittleAgain(t *testing.T) {
	w := newWorld(t)
	flags := []string{"--consumer-instance-id=detector-0", "--checkpoint-interval=1s"}
	in, killed := w.launch("ingest"), w.launch("detector", flags...)
	in.becomesReady()
	killed.becomesReady()
	rec := record(t, "softflowd-v5")
	half := len(rec.datagrams) / 2
	play(t, in, rec.datagrams[:half])
	w.waits("scanhound-detector.v1", "scanhound.flows.v1")
	eventually(t, "Kafka has the state", func() bool {
		age, n := 0.0, 0
		for name, value := range killed.metrics() {
			if strings.HasPrefix(name, "scanhound_detector_checkpoint_age_seconds") {
				age, n = age+value, n+1
			}
		}
		return n == 4 && age == 0
	})
	before := len(w.records("scanhound.flows.v1"))
	send(t, in.listens(), rec.datagrams[half:half+40])
	killed.kill()
	play(t, in, rec.datagrams[half+40:])
	next := w.launch("detector", flags...)
	next.becomesReady()
	w.waits("scanhound-detector.v1", "scanhound.flows.v1")
	all := next.metrics()
	if n := all["scanhound_detector_restored_total"]; n != 4 {
		t.Errorf("%v partitions are restored, want 4", n)
	}
	if read, left := int(all["scanhound_detector_records_total"]), len(w.records("scanhound.flows.v1"))-before; read > left {
		t.Errorf("%d records were read, %d are not in the state", read, left)
	}

	reference := w.launch("detector", "--detector-group=reference", "--alerts-topic=reference")
	reference.becomesReady()
	w.waits("reference", "scanhound.flows.v1")
	got := w.alertsInKafka("scanhound.alerts.v1")
	said := byMessage(t, got)
	if diff := cmp.Diff(byMessage(t, w.alertsInKafka("reference")), said); diff != "" {
		t.Errorf("alerts differ from those without a kill (-without +with):\n%.4000s", diff)
	}
	if len(said) != len(got) {
		t.Errorf("%d revisions are in Kafka, %d of them once", len(got), len(said))
	}
	for _, p := range []*process{in, next, reference} {
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d", p.name, code)
		}
	}
}

func TestAnAlerterThatIsKilledIsReplacedByOneThatLosesNothingAndSaysNothingTwice(t *testing.T) {
	w := newWorld(t)
	in, det := w.launch("ingest"), w.launch("detector")
	killed := w.launch("alerter", "--consumer-instance-id=alerter-0")
	rec := record(t, "softflowd-ipfix")
	for _, p := range []*process{in, det, killed} {
		p.becomesReady()
	}
	half := len(rec.datagrams) / 2
	play(t, in, rec.datagrams[:half])
	eventually(t, "the alerter has published something", func() bool {
		return killed.metrics()[`scanhound_alerter_alerts_total{fate="published"}`] > 0
	})
	killed.kill()
	play(t, in, rec.datagrams[half:])
	next := w.launch("alerter", "--consumer-instance-id=alerter-0")
	next.becomesReady()
	w.settles()
	got := w.alerts()
	if diff := cmp.Diff(byMessage(t, w.alertsInKafka("scanhound.alerts.v1")), byMessage(t, got)); diff != "" {
		t.Errorf("what is on NATS is not what is in Kafka (-kafka +nats):\n%.4000s", diff)
	}
	checkTruth(t, lastOfEach(t, got))
	for _, p := range []*process{in, det, next} {
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d", p.name, code)
		}
	}
}

func TestAnIngestThatIsRestartedOnItsPortLosesNothingOfWhatWasNotSentMeanwhile(t *testing.T) {
	w := newWorld(t)
	det, al := w.launch("detector"), w.launch("alerter")
	in := w.launch("ingest")
	for _, p := range []*process{in, det, al} {
		p.becomesReady()
	}
	rec := record(t, "softflowd-v5") // no templates that a restart would forget
	half := len(rec.datagrams) / 2
	send(t, in.listens(), rec.datagrams[:half])
	port := in.listens()
	if code := in.terminate(); code != 0 {
		t.Errorf("ingest ended with %d", code)
	}
	again := w.launch("ingest", "--listen="+port.String())
	again.becomesReady()
	play(t, again, rec.datagrams[half:])
	w.settles()
	if got := len(flowsIn(t, w)); got != rec.flows {
		t.Errorf("%d flows of %d are in Kafka", got, rec.flows)
	}
	checkTruth(t, lastOfEach(t, w.alerts()))
}
