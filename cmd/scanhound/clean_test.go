package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect/orient"
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
	listed := slices.DeleteFunc(slices.Clone(orient.ServicePorts[:]), func(port uint16) bool { return port == 443 })
	for _, src := range listed {
		for _, dst := range listed {
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

func TestCleaningKeepsTheEndsOfLinesAndTheMarkInFront(t *testing.T) {
	row := vastRow(6, 9130, 80)
	for name, in := range map[string]string{
		"CR":             row + "\r\n" + row + "\r\n",
		"a mark":         "\ufeff" + row + "\n",
		"a mark and CR":  "\ufeff" + row + "\r\n\r\n",
		"blank lines":    row + "\n\n" + row + "\n\n",
		"quoted numbers": strings.Replace(row, ",6,X", `,"6","X"`, 1) + "\n",
	} {
		if out, _ := runClean(t, in, "-"); out != in {
			t.Errorf("%s: %q became %q", name, in, out)
		}
	}
	if out, _ := runClean(t, row+"\r\n"+row, "-"); out != row+"\r\n"+row+"\r\n" {
		t.Errorf("without an end: %q", out)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(vastRow(6, 80, 2000) + "\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	plain, _ := runClean(t, vastRow(6, 80, 2000)+"\r\n", "-")
	if out, counts := runClean(t, packed.String(), "-"); out != plain || !strings.HasSuffix(out, "\r\n") || !strings.Contains(counts, "1  reversed") {
		t.Errorf("packed: %q\n%s", out, counts)
	}
}

func TestCleaningHasTheListOfPortsOfTheDatasDescription(t *testing.T) {
	row := vastRow(6, 443, 2000) + "\n"
	if out, _ := runClean(t, row, "-"); out != row {
		t.Errorf("443 is not in it: %s", out)
	}
	if out, _ := runClean(t, row, "--orient-services", "443", "-"); out == row {
		t.Error("443 was asked for")
	}
}

func TestCleaningWhatIsNoRowAtAllIsAnError(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.csv")
	if err := os.WriteFile(good, []byte(vastRow(6, 80, 2000)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   string
		code int
		says string
	}{
		"no row":        {"half a line\nanother\n", 1, "standard input: none of its lines is a row"},
		"one of two":    {"half a line\n" + vastRow(6, 80, 2000) + "\n", 0, "1 broken"},
		"nothing":       {"", 0, "1 lines"},
		"cut in gzip":   {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", 1, "ends early"},
		"only headers":  {"\n\n", 0, "2 headers and blank lines"},
		"too long":      {strings.Repeat("x", 100_000) + "\n" + vastRow(6, 80, 2000) + "\n", 0, "1 broken"},
		"only too long": {strings.Repeat("x", 100_000) + "\n", 1, "none of its lines is a row"},
	} {
		r := run(t, strings.NewReader(c.in), "clean", "-", good)
		if squeezed := strings.Join(strings.Fields(r.stderr), " "); r.code != c.code || !strings.Contains(squeezed, c.says) {
			t.Errorf("%s: status %d, want %d and %q:\n%s", name, r.code, c.code, c.says, r.stderr)
		}
		if !strings.Contains(r.stdout, "172.10.2.64,172.10.0.4,2000,80") {
			t.Errorf("%s: the other file is not cleaned: %q", name, r.stdout)
		}
	}
}
