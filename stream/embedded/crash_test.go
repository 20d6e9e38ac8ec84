package embedded_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/stream/embedded"
)

// crashed is a copy of the folder of a Kafka that runs: what a kill -9 would leave.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left")
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return left
}

// onlyFile is the one file in dir that is named so.
func onlyFile(t *testing.T, dir, pattern string) string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, filepath.Base(path)); ok {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v: want one", pattern, found, err)
	}
	return found[0]
}

func appendTo(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, cl *kgo.Client, topic string, at int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: at})
	if err := kadm.NewClient(cl).CommitAllOffsets(soon(t), "group", offsets); err != nil {
		t.Fatal(err)
	}
}

func TestAWriteThatACrashHasCutOffIsTakenAwayAndAllBeforeItIsThere(t *testing.T) {
	cfg := embedded.KafkaConfig{Dir: t.TempDir(), Topics: map[string]int32{"a": 1}}
	_, cl := open(t, cfg)
	for range 3 {
		produce(t, cl, "a", "", strings.Repeat("x", 100))
	}
	commit(t, cl, "a", 2)
	whole := cfg.Dir
	segment, err := os.ReadFile(onlyFile(t, whole, "0.dat"))
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.ReadFile(onlyFile(t, whole, "groups.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []struct {
		name           string
		segment, group []byte
		said           int
	}{
		{"nothing", nil, nil, 0},
		{"in the length of a batch", segment[:9], nil, 1},
		{"in the batch", segment[:len(segment)/3-40], nil, 1},
		{"a batch of zeros", make([]byte, 200), nil, 1},
		{"in the commits", nil, groups[:len(groups)-3], 1},
		{"in both", segment[:len(segment)/3-1], groups[:6], 2},
	} {
		t.Run(cut.name, func(t *testing.T) {
			cfg := cfg
			cfg.Dir = crashed(t, whole)
			appendTo(t, onlyFile(t, cfg.Dir, "0.dat"), cut.segment)
			appendTo(t, onlyFile(t, cfg.Dir, "groups.log"), cut.group)
			var said bytes.Buffer
			for round := range 2 { // what is written after it is there too
				k, err := embedded.Kafka(cfg, slog.New(slog.NewTextHandler(&said, nil)))
				if err != nil {
					t.Fatal(err)
				}
				cl := client(t, k)
				if first, end := ends(t, cl, "a"); first != 0 || end != int64(3+round) {
					t.Errorf("round %d: offsets %d to %d", round, first, end)
				}
				if at := committed(t, cl, "a"); at != int64(2+round) {
					t.Errorf("round %d: committed %d", round, at)
				}
				produce(t, cl, "a", "", "y")
				commit(t, cl, "a", int64(3+round))
				left := crashed(t, cfg.Dir)
				cl.Close()
				k.Close()
				cfg.Dir = left
			}
			if n := strings.Count(said.String(), "cut off by a crash"); n != cut.said {
				t.Errorf("said %d times, want %d:\n%s", n, cut.said, said.String())
			}
		})
	}
}

func TestASegmentThatWasOnlyBegunIsTakenAwayAndOffsetsGoOn(t *testing.T) {
	cfg := embedded.KafkaConfig{Dir: t.TempDir(), Topics: map[string]int32{"a": 1}, Segment: 1}
	_, cl := open(t, cfg)
	produce(t, cl, "a", "", "x")
	produce(t, cl, "a", "", "y")
	left := crashed(t, cfg.Dir)
	if err := os.Truncate(onlyFile(t, left, "1.dat"), 10); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = left
	_, cl = open(t, cfg)
	if first, end := ends(t, cl, "a"); first != 0 || end != 1 {
		t.Errorf("offsets %d to %d, want what was whole", first, end)
	}
	produce(t, cl, "a", "", "z")
	if _, end := ends(t, cl, "a"); end != 2 {
		t.Errorf("the end is %d, want 2", end)
	}
}
