// Command truth counts from recorded packets what each source of the lab really probed.
//
//	truth packets.pcap sources.tsv >truth.json
//
// A line of sources.tsv is: source address, name, class, command.
package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/segmentio/encoding/json"

	"github.com/scanhound/scanhound/lab"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: truth packets.pcap sources.tsv")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "truth:", err)
		os.Exit(1)
	}
}

func run(packets, sources string, out io.Writer) error {
	tally, err := readSources(sources)
	if err != nil {
		return err
	}
	if err := readPackets(packets, tally); err != nil {
		return err
	}
	var scans []lab.Scan
	for _, s := range tally {
		if len(s.targets) == 0 {
			return fmt.Errorf("%s (%v) sent nothing", s.scan.Name, s.scan.Source)
		}
		scans = append(scans, s.sum())
	}
	slices.SortFunc(scans, func(a, b lab.Scan) int { return a.Source.Compare(b.Source) })
	e := json.NewEncoder(out)
	e.SetIndent("", "\t")
	return e.Encode(scans)
}

func readSources(name string) (map[netip.Addr]*source, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	tally := make(map[netip.Addr]*source)
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("%s: want four fields in %q", name, line)
		}
		addr, err := netip.ParseAddr(f[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		tally[addr] = &source{
			scan:    lab.Scan{Source: addr, Name: f[1], Class: f[2], Command: f[3]},
			targets: make(map[target]outcome),
		}
	}
	return tally, nil
}

func readPackets(name string, tally map[netip.Addr]*source) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for {
		data, info, err := r.ReadPacketData()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p := dissect(gopacket.NewPacket(data, r.LinkType(), gopacket.NoCopy))
		if s := tally[p.from]; s != nil && p.probes.host.IsValid() {
			s.probe(p.probes, info.Timestamp)
		}
		if s := tally[p.to]; s != nil {
			s.hear(p.answers, p.says)
		}
	}
}
