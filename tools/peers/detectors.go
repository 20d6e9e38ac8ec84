package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const duckdbVersion = "2.0.1"

// A finder is a way to find the scanners of the workload, in files that were made for it.
type finder struct {
	name string
	args []string // the command, which writes lines
	// scanner returns whom a line names.
	scanner func(line string) (netip.Addr, bool)
}

// finding is what a finder did, as the kernel accounts for it.
type finding struct {
	finder       string
	flows        int
	cpu, wall    time.Duration
	peak         int64 // bytes of the largest process
	right, wrong int   // sources named that scan, and that do not
	scanners     int
}

// compareDetectors has each finder read the same day once, and returns a row for each.
func (h *harness) compareDetectors(ctx context.Context, p plan) ([]finding, error) {
	dir, err := os.MkdirTemp(h.dir, "day-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w := newWorkload(p.flows, p.flows/10, max(p.flows/10_000, 20))
	var rows []finding
	for _, prepare := range []func(context.Context, *workload, string, plan) ([]finder, error){h.replay, h.duckdb, h.nfdump} {
		finders, err := prepare(ctx, w, dir, p)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			h.note("%v", err)
		}
		for _, f := range finders {
			row, err := f.find(ctx, w)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(os.Stderr, "%s: %.2f s of CPU\n", f.name, row.cpu.Seconds())
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// find runs the command to its end.
func (f *finder) find(ctx context.Context, w *workload) (finding, error) {
	r := finding{finder: f.name, flows: len(w.flows), scanners: len(w.scanners)}
	cmd := exec.CommandContext(ctx, f.args[0], f.args[1:]...)
	endWithUs(cmd)
	said := new(output)
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return r, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return r, err
	}
	named := map[netip.Addr]bool{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if a, ok := f.scanner(lines.Text()); ok && !named[a] {
			named[a] = true
			if w.scanners[a] {
				r.right++
			} else {
				r.wrong++
			}
		}
	}
	_, _ = io.Copy(io.Discard, out) // what is behind a line that is too long: the error says it
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return r, fmt.Errorf("%s: %w\n%s", f.name, err, said.text())
	}
	r.wall, r.cpu, r.peak = time.Since(began), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), peakOf(cmd.ProcessState)
	return r, nil
}

// replay is ours: it decodes a capture, orients, detects, and says alerts as they open.
func (h *harness) replay(ctx context.Context, w *workload, dir string, _ plan) ([]finder, error) {
	root, err := command(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	if _, err := command(ctx, root, "go", "build", "-o", h.program("scanhound"), "./cmd/scanhound"); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "day.pcap")
	if err := toFile(file, w.writePcap); err != nil {
		return nil, err
	}
	return []finder{{"scanhound replay, from NetFlow v5", []string{h.program("scanhound"), "replay", "--output=json", file}, sourceOfAlert}}, nil
}

// sourceOfAlert cuts it out of an alert in JSON, where it stands first among the addresses.
func sourceOfAlert(line string) (netip.Addr, bool) {
	_, rest, _ := strings.Cut(line, `"source":"`)
	text, _, _ := strings.Cut(rest, `"`)
	return parsed(text)
}

func parsed(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	return a, err == nil
}

// The queries of DuckDB: who has a hundred targets of one kind, among all flows, and among
// those that are a lone SYN.
const (
	duckdbLoad  = "create table f(ms uint32, src uint32, dst uint32, dport uint16, proto uint8, flags uint8); copy f from '%s' (header false)"
	duckdbQuery = `with t as (select distinct src, dst, dport from f where %s)
select distinct src from (
  select src from t group by src, dport having count(*) >= 100
  union all select src from t group by src, dst having count(*) >= 100)`
	duckdbScript = `import duckdb, sys
c = duckdb.connect(sys.argv[1], config={"threads": 1})
for row in c.execute(sys.argv[2]).fetchall():
    a = row[0] if row else 0
    print("%d.%d.%d.%d" % (a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255))`
)

// duckdb asks its own columns; loading them is not counted.
func (h *harness) duckdb(ctx context.Context, w *workload, dir string, p plan) ([]finder, error) {
	python, err := h.venv(ctx, p.build)
	if err != nil {
		return nil, fmt.Errorf("without DuckDB: %w", err)
	}
	csv, db := filepath.Join(dir, "day.csv"), filepath.Join(dir, "day.duckdb")
	if err := toFile(csv, w.writeCSV); err != nil {
		return nil, err
	}
	if _, err := command(ctx, "", python, "-c", duckdbScript, db, fmt.Sprintf(duckdbLoad, csv)); err != nil {
		return nil, fmt.Errorf("without DuckDB: %w", err)
	}
	_ = os.Remove(csv) // room for the next one
	h.note("DuckDB %s: one thread, from columns that were loaded before; it answers once for the whole day", duckdbVersion)
	ask := func(name, where string) finder {
		return finder{name, []string{python, "-c", duckdbScript, db, fmt.Sprintf(duckdbQuery, where)}, parsed}
	}
	return []finder{ask("DuckDB, all flows", "true"), ask("DuckDB, lone SYNs", "flags = 2")}, nil
}

// venv returns a Python that has DuckDB, in an environment of its own.
func (h *harness) venv(ctx context.Context, build bool) (python string, err error) {
	env := filepath.Join(h.dir, "venv")
	python = filepath.Join(env, "bin", "python")
	if out, err := command(ctx, "", python, "-c", "import duckdb; print(duckdb.__version__)"); err == nil && out == duckdbVersion {
		return python, nil
	}
	if !build {
		return "", errors.New("it is not installed yet: run without -quick once")
	}
	if _, err = command(ctx, "", "python3", "-m", "venv", env); err == nil {
		_, err = command(ctx, "", python, "-m", "pip", "install", "-q", "duckdb=="+duckdbVersion)
	}
	return python, err
}

// nfdump reads files that nfcapd made of the day, which is not counted.
func (h *harness) nfdump(ctx context.Context, w *workload, dir string, p plan) ([]finder, error) {
	if err := findNfcapd(ctx, p.build); err != nil {
		return nil, fmt.Errorf("without nfdump: %w", err)
	}
	files := filepath.Join(dir, "nfcapd")
	if err := os.Mkdir(files, 0o755); err != nil {
		return nil, err
	}
	if err := h.record(ctx, w, files); err != nil {
		return nil, fmt.Errorf("without nfdump: %w", err)
	}
	h.note("nfdump: lone SYNs by source, host and port from nfcapd's files, counted by awk")
	const count = `nfdump -q -R "$1" -A srcip,dstip,dstport -o 'fmt:%sa,%da,%dp' 'proto tcp and flags S and not flags AFRPU' |
awk -F, '{ gsub(/ /, ""); if (++h[$1 "," $3] == 100 || ++v[$1 "," $2] == 100) print $1 }'`
	return []finder{{"nfdump, lone SYNs", []string{"sh", "-c", count, "sh", files}, parsed}}, nil
}
