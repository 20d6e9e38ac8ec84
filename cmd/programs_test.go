package cmd_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// programs is the folder of the four binaries.
var programs string

func TestMain(m *testing.M) {
	if folder := os.Getenv(natsFolder); folder != "" {
		if err := runNATS(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if folder := os.Getenv(kafkaFolder); folder != "" {
		if err := runKafka(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	var err error
	if programs, err = build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(programs)
		os.Exit(code)
	}))
}

func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "scanhound-programs-"); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./ingest", "./detector", "./alerter", "./scanhound").CombinedOutput()
	if err != nil {
		return "", errors.Join(fmt.Errorf("build the programs: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return dir, nil
}

func TestHelpIsWhatItWas(t *testing.T) {
	for _, line := range []string{
		"ingest", "detector", "alerter",
		"scanhound", "scanhound serve", "scanhound demo", "scanhound decode", "scanhound replay", "scanhound clean", "scanhound explain", "scanhound rules", "scanhound state", "scanhound reshard", "scanhound check", "scanhound healthcheck",
	} {
		t.Run(line, func(t *testing.T) {
			words := strings.Fields(line)
			r := runToEnd(t, words[0], append(words[1:], "--help")...)
			if r.code != 0 || r.stderr != "" {
				t.Errorf("code %d, stderr %q", r.code, r.stderr)
			}
			golden := filepath.Join("testdata", strings.ReplaceAll(line, " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(r.stdout), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), r.stdout); diff != "" {
				t.Errorf("-update rewrites it (-golden +now):\n%s", diff)
			}
		})
	}
}

func TestThreeProcessesWithOneSettingsFileTellOfEveryScanOnceAndEndWithNothingLost(t *testing.T) {
	w := newWorld(t)
	in, det, al := w.launch("ingest"), w.launch("detector"), w.launch("alerter")
	for _, p := range []*process{in, det, al} {
		p.becomesReady()
	}
	rec := record(t, "softflowd-v9")
	play(t, in, rec.datagrams)
	w.settles()

	checkTruth(t, lastOfEach(t, w.alerts()))
	checkMetrics(t, in,
		`datagrams_total{fate="received"}`, `decoded_total{what="records_flows"}`, `decoded_total{what="templates_new"}`,
		`oriented_total{rule="flags"}`, "swapped_total", `flows_total{fate="produced"}`, "templates", `log_messages_total{level="info"}`)
	if _, ok := al.metrics()[`scanhound_alerter_lag_records{partition="0"}`]; !ok {
		t.Error("the alerter does not say how much waits")
	}
	checkMetrics(t, det, "last_alert_timestamp_seconds", "alert_delay_seconds_count", "alert_delay_arrival_seconds_count",
		"records_total", `flows_total{fate="counted"}`, `alerts_total{fate="produced"}`, `scans_total{state="open"}`, `kept_silent_total{guard="same_target"}`, "sources", `rebalances_total{what="assigned"}`)
	checkMetrics(t, al, "last_alert_timestamp_seconds", "records_total", `alerts_total{fate="published"}`, `rebalances_total{what="assigned"}`)
	if got := in.metrics()[`scanhound_ingest_flows_total{fate="produced"}`]; got != float64(rec.flows) {
		t.Errorf("ingest produced %v flows of %d", got, rec.flows)
	}
	for _, p := range []*process{in, det, al} {
		p.describesItself(w)
		if code := p.terminate(); code != 0 {
			t.Errorf("%s ended with %d after SIGTERM", p.name, code)
		}
	}
	if n := len(flowsIn(t, w)); n != rec.flows {
		t.Errorf("%d flows are in Kafka, %d were sent", n, rec.flows)
	}
}
