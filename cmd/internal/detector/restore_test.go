package detector

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
)

// halfway is a trial whose first owner has counted half of the flows and let go.
func halfway(t *testing.T) *trial {
	t.Helper()
	x := newTrial(t, 7)
	o := x.open(x.d).prepare()
	for o.next < len(x.records)/2 {
		o.step(10, true, true)
	}
	o.Close(t.Context(), stream.Stopped)
	return x
}

// slicesInKafka are the records of the state topic, the last of each key.
func (x *trial) slicesInKafka() map[string]*kgo.Record {
	x.t.Helper()
	cl := x.client(kgo.ConsumeTopics(schema.StateTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	last := map[string]*kgo.Record{}
	for at, end := int64(0), x.kafka.PartitionInfo(schema.StateTopic, 0).HighWatermark; at < end; {
		for _, r := range cl.PollFetches(x.t.Context()).Records() {
			last[string(r.Key)], at = r, r.Offset+1
		}
	}
	return last
}

func (x *trial) client(opts ...kgo.Opt) *kgo.Client {
	x.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(x.kafka.Brokers()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(cl.Close)
	return cl
}

// put writes a value behind what stands in the state topic.
func (x *trial) put(key string, value []byte) {
	x.t.Helper()
	if x.writer == nil {
		x.writer = x.client()
	}
	r := &kgo.Record{Topic: schema.StateTopic, Key: []byte(key), Value: value}
	if err := x.writer.ProduceSync(x.t.Context(), r).FirstErr(); err != nil {
		x.t.Fatal(err)
	}
}

func TestAPartitionThatWasLetGoGoesOnWithoutReadingAFlowAgain(t *testing.T) {
	x := halfway(t)
	o := x.open(x.detector())
	if o.restore.parts != detect.Slices || o.next != int(x.at.Committed) {
		t.Errorf("%d parts, flows from %d, committed %d", o.restore.parts, o.restore.begin, x.at.Committed)
	}
	if err := o.restoring(); err == nil || !strings.Contains(err.Error(), "restoring, 0 of 257 parts") {
		t.Errorf("before: %v", err)
	}
	if err := o.prepare().restoring(); err != nil {
		t.Errorf("it is not ready: %v", err)
	}
	if st := o.d.stateStats(); st.Restored != 1 || st.Took <= 0 {
		t.Errorf("%+v", st)
	}
	o.end()
	if o.own.Silent != 0 {
		t.Errorf("%d revisions came again", o.own.Silent)
	}
	x.compare("after a clean end")
}

func TestWithoutACommitTheStateIsRestoredAllTheSame(t *testing.T) {
	x := halfway(t)
	half := int(x.at.Committed)
	x.at.Committed = -1
	o := x.open(x.detector())
	if o.next != half {
		t.Errorf("flows from %d", o.next)
	}
	o.prepare().end()
	x.compare("without a commit")
}

func TestAPartThatCannotBeUsedIsNamedAndBuiltFromTheFlows(t *testing.T) {
	const part = 77
	for name, c := range map[string]struct {
		change func(value []byte) []byte
		says   string
		count  func(StateStats) uint64
	}{
		"corrupt":   {func(v []byte) []byte { v[len(v)-3] ^= 1; return v }, "checksum", func(s StateStats) uint64 { return s.Corrupt }},
		"cut short": {func(v []byte) []byte { return v[:5] }, "no header", func(s StateStats) uint64 { return s.Corrupt }},
		"newer":     {func(v []byte) []byte { v[0]++; return v }, "version 2 of its header", func(s StateStats) uint64 { return s.Newer }},
	} {
		t.Run(name, func(t *testing.T) {
			x := halfway(t)
			key := schema.DetectorGroup + "/77"
			value := append([]byte{}, x.slicesInKafka()[key].Value...)
			x.kafka.Compact() // what stood there before is gone
			x.put(key, c.change(value))
			x.put("other", nil)
			x.kafka.Compact()
			o := x.open(x.detector())
			if o.restore.parts != detect.Slices-1 || o.restore.waits[part] || c.count(o.d.stateStats()) == 0 {
				t.Errorf("%d parts, %+v", o.restore.parts, o.d.stateStats())
			}
			for _, says := range []string{"a part of the state is refused", "part=77", c.says, "built from", "parts=1 "} {
				if !x.log.has(says) {
					t.Errorf("the log does not say %q", says)
				}
			}
			o.prepare()
			if err := o.restoring(); err == nil || !strings.Contains(err.Error(), "records to count again, 0 of 256 parts are merged; ") || !strings.Contains(err.Error(), "parts were refused") {
				t.Errorf("ready says %v", err)
			}
			o.end()
			x.compare(name)
		})
	}
}

func TestAStateOfAnotherWindowIsRefusedAndOneOfOtherRulesIsNamed(t *testing.T) {
	x := halfway(t)
	o := x.open(x.detector(func(c *Config) { c.Detect.Window = 24 * time.Hour }))
	if st := o.d.stateStats(); o.restore.parts != 0 || st.OtherWindow != detect.Slices {
		t.Errorf("another window: %d parts, %+v", o.restore.parts, st)
	}
	o.crash()
	o = x.open(x.detector(func(c *Config) { c.Detect.Vertical = []uint32{10, 20, 30, 40} }))
	if o.restore.parts != detect.Slices || !x.log.has("other rules") {
		t.Errorf("other rules: %d parts", o.restore.parts)
	}
	o.crash()
}

func TestALostStateIsBuiltFromTheFlowsOfTheWindow(t *testing.T) {
	x := halfway(t)
	if err := x.kafka.DeleteTopic(schema.StateTopic); err != nil {
		t.Fatal(err)
	}
	o := x.open(x.detector())
	if o.restore.parts != 0 || o.next != 0 || !x.log.has("built from the flows of the window") {
		t.Errorf("%d parts, flows from %d", o.restore.parts, o.next)
	}
	o.prepare().end()
	x.compare("without a state")
	if o.own.Silent == 0 {
		t.Error("nothing was said before")
	}
}

func TestFlowsThatWereDeletedBeforeTheyWereReadAreCountedAsLost(t *testing.T) {
	x := halfway(t)
	half := x.at.Committed
	x.at.Earliest = half + 20
	o := x.open(x.detector())
	if o.restore.begin != half+20 || !x.log.has("flows were deleted") || !x.log.has("records=20 ") {
		t.Errorf("flows from %d", o.restore.begin)
	}
	o.prepare().end()
	if got := o.state.Stats().Sources; got == 0 {
		t.Error("the state is gone")
	}
}

func TestAFlowsTopicThatWasMadeAnewIsReadFromItsBeginning(t *testing.T) {
	x := halfway(t)
	half := int(x.at.Committed)
	rest := x.records[half:]
	for i, r := range rest { // the exporters went on, into a new topic
		r.Offset = int64(i)
	}
	all := x.records
	x.records, x.at.TopicID, x.at.Committed, x.at.High = rest, [16]byte{2}, -1, int64(len(rest))
	o := x.open(x.detector())
	if o.restore.begin != 0 || !x.log.has("made anew") {
		t.Errorf("flows from %d", o.restore.begin)
	}
	o.prepare().end()
	// The same alerts, though they name other offsets.
	if want, got := len(x.wantOf(all)), len(x.said()); want != got {
		t.Errorf("%d revisions, want %d", got, want)
	}
}

func TestAFlowsTopicThatHasLostItsEndIsReadOnFromThere(t *testing.T) {
	x := halfway(t)
	x.at.High = x.at.Committed - 30
	x.at.Committed = -1 // as the consumer takes an offset behind the end
	o := x.open(x.detector())
	if o.restore.begin != x.at.High || !x.log.has("lost its end") || !x.log.has("records=30 ") {
		t.Errorf("flows from %d, the end is %d", o.restore.begin, x.at.High)
	}
	if err := o.prepare().restoring(); err != nil {
		t.Errorf("it is not ready: %v", err)
	}
	o.crash()
}

func TestSlicesOfDifferentAgesAndTwiceTheSameAreOneState(t *testing.T) {
	x := halfway(t)
	old, half := x.slicesInKafka(), x.at.Committed
	o := x.open(x.d).prepare()
	for o.next < len(x.records)*3/4 {
		o.step(10, true, false)
	}
	for range 60 { // some parts are newer
		if !o.keepOne(t.Context()) {
			t.Fatal("nothing is to be written")
		}
	}
	o.crash()
	for key, r := range old { // a zombie writes all of what it had
		x.put(key, r.Value)
		x.put(key, r.Value)
	}
	next := x.open(x.detector())
	if next.restore.parts != detect.Slices || next.restore.begin != half || len(next.restore.waiting) != detect.Slices {
		t.Errorf("%d parts, flows from %d", next.restore.parts, next.restore.begin)
	}
	next.prepare()
	if n := next.state.Awaiting(); n != 60 {
		t.Errorf("%d parts are awaited, want 60", n)
	}
	next.end()
	x.compare("slices of different ages")
}
