// Command peers measures collectors side by side on one machine: our ingest
// against goflow2 and nfcapd, with the same NetFlow v5, v9 and IPFIX datagrams
// over loopback. For each it prints the CPU time per record and the highest rate
// before a hundredth is lost. Then it measures detectors: scanhound replay against
// DuckDB and nfdump, on the same day of flows. It judges nothing: the exit status
// is 0 unless it could not measure.
//
// It owns every process that it starts and the folder .cache/peers. It belongs to
// whoever claims that ingest is quick: `make bench-peers`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// plan says how long and how hard to measure.
type plan struct {
	versions []version
	moderate float64       // records/s that every collector can take
	steady   time.Duration // at that rate
	start    float64       // records/s at which the search begins
	step     time.Duration // at each rate of the search
	bisect   int           // steps after the doubling
	flows    int           // of the detectors' day
	build    bool          // and install what is not here yet
	profile  bool
	verbose  bool
}

var full = plan{
	versions: []version{v5, v9, ipfix}, moderate: 120_000, steady: 3 * time.Second,
	start: 480_000, step: 1600 * time.Millisecond, bisect: 3, flows: 10_000_000, build: true,
}

// quick only shows that everything runs: its figures are noise.
var quick = plan{
	versions: []version{v9}, moderate: 120_000, steady: 500 * time.Millisecond,
	start: 480_000, step: 400 * time.Millisecond, bisect: 1, flows: 300_000,
}

func main() {
	short := flag.Bool("quick", false, "a smoke test of 30 s: v9 only, and what was built or installed before")
	profile := flag.Bool("profile", false, "profile ingest at the moderate rate and at half of its highest, and print the 25 hottest functions")
	detectors := flag.Bool("detectors", false, "the detectors alone")
	kafka := flag.Bool("kafka", false, "be the Kafka of a run: print the address, and end with standard input")
	verbose := flag.Bool("v", false, "print what became of every rate")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := full
	if *short {
		p = quick
	}
	if *detectors {
		p.versions = nil
	}
	p.profile, p.verbose = *profile, *verbose
	var err error
	if *kafka {
		err = serveKafka(os.Stdin, os.Stdout)
	} else {
		err = run(ctx, p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan) error {
	began := time.Now()
	if runtime.GOOS != "linux" {
		return fmt.Errorf("on %s there is no /proc/net/udp to read losses from: run it on Linux", runtime.GOOS)
	}
	h, err := prepare(ctx, p)
	if err != nil {
		return err
	}
	defer h.close()
	var rows []row
	for _, v := range p.versions {
		for _, peer := range h.peers {
			r, err := h.measure(ctx, p, peer, v)
			if err != nil {
				return fmt.Errorf("measure %s with %s: %w", peer.name, v.name, err)
			}
			fmt.Fprintf(os.Stderr, "%6.1fs  %-6s %-20s %6.0f ns/record, %s records/s\n",
				time.Since(began).Seconds(), v.name, peer.name, r.moderate, r.rate())
			rows = append(rows, r)
		}
	}
	detectors, err := h.compareDetectors(ctx, p)
	if err != nil {
		return fmt.Errorf("measure detectors: %w", err)
	}
	if len(rows) > 0 {
		h.note("CPU ns/record at %s records/s; a rate holds when at most 1 %% of the records is not done %v after the last", thousands(p.moderate), settle)
	}
	if !p.build {
		h.note("measured for half a second each, to show that it works: the figures are noise")
	}
	writeFindings(os.Stdout, detectors)
	writeTable(os.Stdout, rows, h.notes)
	return nil
}
