package memory

import (
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

func TestABudgetFollowsFromWhatIsKnown(t *testing.T) {
	was := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(was) })
	debug.SetMemoryLimit(math.MaxInt64)
	machine, why := Budget(0)
	if machine < least || !strings.Contains(why, "machine") {
		t.Errorf("%d: %s", machine, why)
	}
	debug.SetMemoryLimit(1 << 30)
	if n, why := Budget(0); n < 600<<20 || n > 620<<20 || !strings.Contains(why, "GOMEMLIMIT") {
		t.Errorf("%d: %s", n, why)
	}
	if n, _ := Budget(12345); n != 12345 {
		t.Errorf("%d instead of what is set", n)
	}
	debug.SetMemoryLimit(1 << 20)
	if n, _ := Budget(0); n != least {
		t.Errorf("%d of next to nothing", n)
	}
}

// A process in a cgroup of 300 MB keeps within nine tenths of it.
func TestTheCgroupIsRespected(t *testing.T) {
	if os.Getenv("SCANHOUND_TEST_CGROUP") != "" {
		Respect(slog.New(slog.NewTextHandler(io.Discard, nil)))
		os.Stdout.WriteString("limit " + strconv.FormatInt(debug.SetMemoryLimit(-1), 10) + "\n")
		return
	}
	group, file := "/sys/fs/cgroup/memory/scanhound-test", "memory.limit_in_bytes" // version 1
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		group, file = "/sys/fs/cgroup/scanhound-test", "memory.max"
	}
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skip("no cgroup can be made here: ", err)
	}
	t.Cleanup(func() { _ = os.Remove(group) })
	if err := os.WriteFile(group+"/"+file, []byte("300000000"), 0o600); err != nil {
		t.Skip("no limit can be set here: ", err)
	}
	shell := exec.Command("sh", "-c", `echo $$ >`+group+`/cgroup.procs && exec "$0" -test.run TheCgroupIsRespected -test.v`, os.Args[0])
	shell.Env = append(os.Environ(), "SCANHOUND_TEST_CGROUP=1", "GOMEMLIMIT=")
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Skipf("%v: %s", err, out)
	}
	_, limit, _ := strings.Cut(string(out), "limit ")
	limit, _, _ = strings.Cut(limit, "\n")
	// The kernel rounds a limit down to whole pages.
	if n, err := strconv.Atoi(limit); err != nil || n > 270_000_000 || n < 269_990_000 {
		t.Errorf("GOMEMLIMIT is %s: %s", limit, out)
	}
}
