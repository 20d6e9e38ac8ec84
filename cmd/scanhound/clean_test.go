package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
)

// vastRow is a TCP row with the given ports; everything with a direction differs.
func vastRow(proto int, src, dst uint16) string {
	return fmt.Sprintf("1364807428.917824,2013-04-01 09:10:28,20130401091028.917824,%d,X,172.10.0.4,172.10.2.64,%d,%d,0,0,0,1,2,3,4,5,6,0", proto, src, dst)
}

func runClean(t *testing.T, in string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := service.Run(t.Context(), program, new(cli), service.Process{
		Args: append([]string{"clean"}, args...), Stdin: strings.NewReader(in), Stdout: &out, Stderr: &errs,
	})
	if code != 0 {
		t.Fatalf("status %d: %s", code, errs.String())
	}
	return out.String(), errs.String()
}

func TestCleaningTurnsExactlyTheReversedRecordsRound(t *testing.T) {
	turned := "1364807428.917824,2013-04-01 09:10:28,20130401091028.917824,6,X,172.10.2.64,172.10.0.4,%d,%d,0,0,0,2,1,4,3,6,5,0"
	for _, c := range []struct {
		proto    int
		src, dst uint16
		swap     bool
	}{
		{6, 80, 14545, true}, {6, 80, 1024, false}, {6, 80, 1025, true}, {6, 9130, 80, false}, {17, 123, 123, false},
		{17, 137, 137, false}, {17, 5355, 40000, true}, {17, 5535, 40000, false}, {6, 49154, 60000, false}, {1, 80, 14545, false}, {6, 1984, 2208, true},
	} {
		row := vastRow(c.proto, c.src, c.dst)
		want := row
		if c.swap {
			want = strings.Replace(fmt.Sprintf(turned, c.dst, c.src), ",6,X", fmt.Sprintf(",%d,X", c.proto), 1)
		}
		once, _ := runClean(t, row+"\n", "-")
		if once != want+"\n" {
			t.Errorf("%d, %d to %d:\n%swant\n%s", c.proto, c.src, c.dst, once, want)
		}
		if twice, _ := runClean(t, once, "-"); twice != once {
			t.Errorf("%d to %d: cleaning again changed it", c.src, c.dst)
		}
	}
}

func TestCleaningIsIdempotentForAllPairsOfListedPortsAndCountsThemAsUndecided(t *testing.T) {
	var rows strings.Builder
	n := 0
	for _, src := range detect.ServicePorts {
		for _, dst := range detect.ServicePorts {
			rows.WriteString(vastRow(6, src, dst) + "\n")
			n++
		}
	}
	out, counts := runClean(t, rows.String(), "-")
	if out != rows.String() {
		t.Error("a record between two services was turned round")
	}
	if !strings.Contains(counts, fmt.Sprintf("%d  undecided", n)) {
		t.Errorf("counts:\n%s", counts)
	}
}

func TestCleaningPassesHeadersAndLeavesBrokenLinesOutWithACount(t *testing.T) {
	header := "TimeSeconds,parsedDate,dateTimeStr,ipLayerProtocol,ipLayerProtocolCode,firstSeenSrcIp,firstSeenDestIp,firstSeenSrcPort,firstSeenDestPort,moreFragments,contFragments,durationSeconds,firstSeenSrcPayloadBytes,firstSeenDestPayloadBytes,firstSeenSrcTotalBytes,firstSeenDestTotalBytes,firstSeenSrcPacketCount,firstSeenDestPacketCount,recordForceOut"
	out, counts := runClean(t, header+"\n"+"half a line\n"+vastRow(6, 80, 2000)+"\n", "-")
	if !strings.HasPrefix(out, header+"\n") || strings.Count(out, "\n") != 2 {
		t.Errorf("out:\n%s", out)
	}
	for _, want := range []string{"3  lines", "1  reversed", "1  headers", "1  broken"} {
		if !strings.Contains(strings.Join(strings.Fields(counts), "  "), want) {
			t.Errorf("no %q in\n%s", want, counts)
		}
	}
}

func TestTheSeedsTwoRowsAreCleanedByteForByte(t *testing.T) {
	dir := filepath.Join(filepath.Dir(filepath.Clean(corpora(t, "."))), "seeds", "samples")
	want, err := os.ReadFile(filepath.Join(dir, "vast-two-rows.expected.csv"))
	if err != nil {
		t.Skip(err)
	}
	out, counts := runClean(t, "", filepath.Join(dir, "vast-two-rows.csv"))
	if out != string(want) {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	if !strings.Contains(counts, "1  reversed") {
		t.Errorf("counts:\n%s", counts)
	}
	row, _ := runClean(t, "", filepath.Join(dir, "vast-port0.csv"))
	if kept, err := os.ReadFile(filepath.Join(dir, "vast-port0.csv")); err != nil || row != string(kept) {
		t.Errorf("the port-0 row became %s", row)
	}
}
