package embedded_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/stream/embedded"
)

// makeTopic makes one with a partition.
func makeTopic(t *testing.T, cl *kgo.Client, topic string, settings map[string]string) {
	t.Helper()
	configs := map[string]*string{}
	for k, v := range settings {
		configs[k] = &v
	}
	if _, err := kadm.NewClient(cl).CreateTopic(soon(t), 1, 1, configs, topic); err != nil {
		t.Fatal(err)
	}
}

// startsAt waits until the topic begins there, and returns the names of its files.
func startsAt(t *testing.T, cl *kgo.Client, dir, topic string, want int64) []string {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-look.C {
		first, _ := ends(t, cl, topic)
		if first == want {
			break
		}
		if first > want || time.Now().After(end) {
			t.Fatalf("%s begins at %d, want %d", topic, first, want)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "partitions", topic+"-0", "*.dat"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// small makes each record a segment, and sweeps all the time.
func small(t *testing.T) embedded.KafkaConfig {
	return embedded.KafkaConfig{Dir: t.TempDir(), Segment: 1, Sweep: time.Millisecond}
}

func TestWhatIsOlderThanItsTopicKeepsIsDeletedFromTheDiskAndOffsetsGoOnAfterACrash(t *testing.T) {
	cfg := small(t)
	cfg.Retain = map[string]time.Duration{"flows": time.Hour}
	_, cl := open(t, cfg)
	makeTopic(t, cl, "flows", map[string]string{"retention.ms": "36000000"})
	makeTopic(t, cl, "others", map[string]string{"retention.ms": "36000000"})
	for range 5 {
		produce(t, cl, "flows", "", "x")
		produce(t, cl, "others", "", "x")
	}
	written := func(topic string, ago time.Duration, numbers ...int) {
		t.Helper()
		for _, n := range numbers {
			at := time.Now().Add(-ago)
			if err := os.Chtimes(filepath.Join(cfg.Dir, "partitions", topic+"-0", fmt.Sprint(n, ".dat")), at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	written("others", 2*time.Hour, 0, 1, 2, 3)
	written("flows", 2*time.Hour, 0, 1, 3) // the third holds back what is after it
	if files := startsAt(t, cl, cfg.Dir, "flows", 2); len(files) != 3 {
		t.Errorf("%v are left, want 3 files", files)
	}
	written("flows", 2*time.Hour, 2)
	if files := startsAt(t, cl, cfg.Dir, "flows", 4); len(files) != 1 {
		t.Errorf("%v are left, want the last: it says where offsets go on", files)
	}
	if first, _ := ends(t, cl, "others"); first != 0 {
		t.Errorf("a topic that keeps for ten hours begins at %d", first)
	}
	cfg.Dir = crashed(t, cfg.Dir)
	_, cl = open(t, cfg)
	if first, end := ends(t, cl, "flows"); first != 4 || end != 5 {
		t.Errorf("after a crash it has offsets %d to %d, want 4 to 5", first, end)
	}
}

func TestAMachineThatWasOffForLongFindsAllThatCameLast(t *testing.T) {
	cfg := small(t)
	_, cl := open(t, cfg)
	makeTopic(t, cl, "flows", map[string]string{"retention.ms": "3600000"})
	makeTopic(t, cl, "state", map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "0"})
	for range 3 {
		produce(t, cl, "flows", "", "x")
	}
	cfg.Dir = crashed(t, cfg.Dir)
	off := time.Now().Add(-24 * time.Hour)
	for n := range 3 {
		if err := os.Chtimes(filepath.Join(cfg.Dir, "partitions", "flows-0", fmt.Sprint(n, ".dat")), off, off); err != nil {
			t.Fatal(err)
		}
	}
	_, cl = open(t, cfg)
	produce(t, cl, "state", "a", "1")
	produce(t, cl, "state", "a", "2")
	startsAt(t, cl, cfg.Dir, "state", 1) // it was swept
	if first, _ := ends(t, cl, "flows"); first != 0 {
		t.Errorf("it begins at %d, want all that was there", first)
	}
}

func TestTheBulkGoesEarlierWhereTheDiskIsLimitedAndNothingElse(t *testing.T) {
	cfg := small(t)
	cfg.Bytes, cfg.Bulk = 12<<10, "flows"
	k, cl := open(t, cfg)
	makeTopic(t, cl, "flows", nil)
	makeTopic(t, cl, "others", nil)
	for range 5 {
		produce(t, cl, "others", "", strings.Repeat("x", 1000))
	}
	for i := range 20 {
		produce(t, cl, "flows", "", strings.Repeat("x", 1000))
		if first, _ := ends(t, cl, "flows"); first > int64(i) {
			t.Fatalf("the topic begins at %d, behind its last record", first)
		}
	}
	startsAt(t, cl, cfg.Dir, "flows", 14) // 5 and 6 of a bit more than 1 kB each
	if first, _ := ends(t, cl, "others"); first != 0 {
		t.Errorf("another topic begins at %d", first)
	}
	if sizes := k.Bytes(); sizes["others"] < 5000 || sizes["others"]+sizes["flows"] > cfg.Bytes {
		t.Errorf("%v are on the disk, the limit is %d", sizes, cfg.Bytes)
	}
}

func TestOfACompactedTopicTheOldestSegmentsGoWhenAllInThemIsSuperseded(t *testing.T) {
	cfg := small(t)
	_, cl := open(t, cfg)
	makeTopic(t, cl, "state", map[string]string{"cleanup.policy": "compact", "segment.bytes": "1000000", "delete.retention.ms": "0"})
	produce(t, cl, "state", "a", "1")    // 0
	produce(t, cl, "state", "b", "1")    // 1
	produce(t, cl, "state", "a", "2")    // 2
	startsAt(t, cl, cfg.Dir, "state", 1) // b stands nowhere else
	produce(t, cl, "state", "end", "")   // 3
	produce(t, cl, "state", "b", "2")    // 4
	startsAt(t, cl, cfg.Dir, "state", 2)
	produce(t, cl, "state", "a", "3") // 5
	if files := startsAt(t, cl, cfg.Dir, "state", 4); len(files) != 2 {
		t.Errorf("%v are left, want 2 files: of a key that is gone nothing stays", files)
	}
}
