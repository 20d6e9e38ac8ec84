package cmd_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/scanhound/scanhound/schema"
)

func TestARunningDetectorTakesChangedRulesAndExceptionsAndKeepsWhatItCounted(t *testing.T) {
	k := newKennel(t, "lab: {horizontal-external: [60, 60, 60, 60]}\n", "--profile=lab")
	k.probes("198.51.100.1", 0, 40)
	if said := k.said(); len(said) != 0 {
		t.Fatalf("%d alerts below the threshold: it shows nothing", len(said))
	}

	// Rules: the next contact is judged with those before the change.
	k.write(k.rules, "lab: {horizontal-external: [30, 50, 100, 150]} # lower\n")
	k.reads()
	k.probes("198.51.100.1", 40, 1)
	if said := k.said()["198.51.100.1"]; said.Threshold != 30 || said.Hosts.Count != 41 {
		t.Errorf("after the change: %+v", said.Verdict)
	}
	if page := k.page("/rules"); !strings.Contains(page, "horizontal-external: [30, 50, 100, 150] # profile lab") || !strings.Contains(page, "in force since ") {
		t.Errorf("/rules:\n%s", page)
	}

	// A broken file changes nothing, is counted and told.
	k.write(k.rules, "lab: {horizontl-external: [900, 900, 900, 900]}\n")
	k.fails()
	said := fmt.Sprint(k.det.line("a changed file cannot be used; what it said before stays in force")["error"])
	if want := "rules: read " + k.rules + ": line 1: profile lab: horizontl-external is not a rule; did you mean horizontal-external?"; said != want {
		t.Errorf("the log says\n%s\nwant\n%s", said, want)
	}
	k.probes("198.51.100.2", 0, 30)
	if said := k.said()["198.51.100.2"]; said.Threshold != 30 {
		t.Errorf("after the broken file: %+v", said.Verdict)
	}

	// Exceptions: whom the file covers now is not told of, and what it hid is shown.
	k.write(k.rules, "lab: {horizontal-external: [30, 50, 100, 150]}\n")
	k.reads()
	k.write(k.exceptions, "- {sources: [198.51.100.3/32], owner: red team, reason: audit, until: 2099-01-01T00:00:00Z}\n")
	k.reads()
	k.probes("198.51.100.3", 0, 100)
	k.probes("198.51.100.4", 0, 100)
	alerts := k.said()
	if _, told := alerts["198.51.100.3"]; told || alerts["198.51.100.4"].ID == "" {
		t.Errorf("told of %v", alerts)
	}
	if page := k.page("/exceptions"); !strings.Contains(page, "\n100 ") || !strings.Contains(page, "red team") {
		t.Errorf("/exceptions:\n%s", page)
	}
	if page := k.page("/explain?source=198.51.100.3"); !strings.Contains(page, "audit of red team") {
		t.Errorf("/explain:\n%s", page)
	}
	k.write(k.exceptions, "- {sources: [198.51.100.0/24]}\n")
	k.fails()
	if code := k.det.terminate(); code != 0 {
		t.Errorf("ended with %d", code)
	}
}

func TestAnExplicitSettingStaysInForceWhenTheRulesFileChanges(t *testing.T) {
	k := newKennel(t, "lab: {block: [60, 75, 100, 150], vertical: [5, 5, 5, 5]}\n", "--profile=lab", "--vertical=9,9,9,9")
	for n, block := range []string{"[60, 75, 100, 150]", "[70, 75, 100, 150]"} {
		if n > 0 {
			k.write(k.rules, "lab: {block: "+block+", vertical: [6, 6, 6, 6]}\n")
			k.reads()
		}
		page := k.page("/rules")
		for _, line := range []string{"vertical: [9, 9, 9, 9] # --vertical\n", "block: " + block + " # profile lab\n"} {
			if !strings.Contains(page, line) {
				t.Errorf("/rules does not say %s:\n%s", line, page)
			}
		}
	}
}

func TestAnAlertIsExplainedByItsIDWhileItIsOpenAndAfterItClosed(t *testing.T) {
	k := newKennel(t, "{}\n")
	k.probes("198.51.100.1", 0, 30)
	id := k.said()["198.51.100.1"].ID
	page := k.page("/explain?alert=" + id[:12])
	for _, says := range []string{"open alert", id, "fired at TCP/22: 25 failed targets within 5m, the horizontal threshold is 25"} {
		if !strings.Contains(page, says) {
			t.Errorf("while it is open it does not say %q:\n%s", says, page)
		}
	}
	k.at = k.at.Add(2 * time.Hour) // it closes after one of quiet, by the clock of its partition
	k.probes("198.51.100.1", 30, 1)
	for _, ask := range []string{"alert=" + id, "source=198.51.100.1"} {
		page = k.page("/explain?" + ask)
		for _, says := range []string{id, "rule horizontal, threshold 25 within 5m", "30 failed targets that a closed alert told of"} {
			if !strings.Contains(page, says) {
				t.Errorf("%s: after it closed it does not say %q:\n%s", ask, says, page)
			}
		}
	}
	if code, page := k.det.get("/explain?alert=" + strings.Repeat("0", 32)); code != http.StatusNotFound || !strings.Contains(page, "not open here") {
		t.Errorf("an alert that is none: %d %s", code, page)
	}
	if code, page := k.det.get("/explain?alert=me"); code != http.StatusBadRequest || !strings.Contains(page, "12 hex digits") {
		t.Errorf("an id that is none: %d %s", code, page)
	}
}

func TestSIGHUPDoesNotEndAServiceThatWatchesNoFile(t *testing.T) {
	w := newWorld(t)
	p := w.launch("detector")
	p.line("admin port is open")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("ended with %d, by SIGHUP or after it", code)
	}
}

// kennel is a detector under way, alone, with files that change, and whoever
// writes flows for it.
type kennel struct {
	*world
	det               *process
	rules, exceptions string
	at                time.Time // of the next flow
}

const kennelPartitions = 4

func newKennel(t *testing.T, rules string, flags ...string) *kennel {
	t.Helper()
	dir := t.TempDir()
	k := &kennel{
		world: newWorld(t), rules: filepath.Join(dir, "rules.yaml"), exceptions: filepath.Join(dir, "exceptions.yaml"),
		at: time.Now().Add(-24 * time.Hour),
	}
	k.write(k.rules, rules)
	k.write(k.exceptions, "[]\n")
	cl := kadm.NewClient(k.client())
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := cl.CreateTopic(ctx, kennelPartitions, 1, nil, schema.FlowsTopic); err != nil {
		t.Fatal(err)
	}
	k.det = k.launch("detector", append(flags, "--consumer-commit-interval=0s", "--rules="+k.rules, "--exceptions="+k.exceptions)...)
	k.det.becomesReady()
	return k
}

// write puts a file in the place of another at once, as a deployment does.
func (k *kennel) write(path, text string) {
	k.t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		k.t.Fatal(err)
	}
}

// reads asks the detector to read its files again and waits until it has.
func (k *kennel) reads() {
	k.t.Helper()
	read := func(setting string) (n int) {
		for _, l := range k.det.lines("file read again") {
			if l["setting"] == setting {
				n++
			}
		}
		return n
	}
	rules, exceptions := read("rules"), read("exceptions")
	k.hangup()
	eventually(k.t, "the files are read again", func() bool {
		return read("rules") > rules && read("exceptions") > exceptions
	})
}

// fails is reads of a file that is broken.
func (k *kennel) fails() {
	k.t.Helper()
	broken := func() float64 { return k.det.metrics()["scanhound_detector_files_broken_total"] }
	before := broken()
	k.hangup()
	eventually(k.t, "the broken file is counted", func() bool { return broken() > before })
}

func (k *kennel) hangup() {
	k.t.Helper()
	if err := k.det.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		k.t.Fatal(err)
	}
}

// probes writes SYNs of a source to n hosts from the first on, a second apart,
// and waits until the detector has committed them.
func (k *kennel) probes(source string, first, n int) {
	k.t.Helper()
	src := netip.MustParseAddr(source)
	var value []byte
	for i := range n {
		at := schema.TimeOf(k.at.Add(time.Duration(i) * time.Second))
		value = schema.AppendFlow(value, &schema.Flow{
			Exporter: schema.Exporter{Addr: netip.MustParseAddr("192.0.2.1"), Type: schema.NetFlowV9},
			Received: at.Add(time.Second), Start: at, End: at, Proto: schema.TCP, Orientation: schema.OrientFlags,
			Src: schema.Side{Addr: src, Port: 40000, Packets: 1, Bytes: 44, TCPFlags: schema.SYN},
			Dst: schema.Side{Addr: netip.AddrFrom4([4]byte{10, 0, byte((first + i) >> 8), byte(first + i)}), Port: 22},
		})
	}
	k.at = k.at.Add(time.Duration(n) * time.Second)
	cl := k.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	r := &kgo.Record{Topic: schema.FlowsTopic, Partition: int32(schema.Partition(src, kennelPartitions)), Value: value}
	if err := cl.ProduceSync(k.t.Context(), r).FirstErr(); err != nil {
		k.t.Fatal(err)
	}
	k.waits(schema.DetectorGroup, schema.FlowsTopic)
}

// said is the last revision of each alert, by source.
func (k *kennel) said() map[string]schema.Alert {
	k.t.Helper()
	last := map[string]schema.Alert{}
	for _, a := range k.alertsInKafka(schema.AlertsTopic) {
		last[a.Source.String()] = a
	}
	return last
}

func (k *kennel) page(path string) string {
	k.t.Helper()
	code, text := k.det.get(path)
	if code != http.StatusOK {
		k.t.Errorf("%s: %d %s", path, code, text)
	}
	return text
}
