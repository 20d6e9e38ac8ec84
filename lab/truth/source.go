package main

import (
	"net/netip"
	"slices"
	"time"

	"github.com/scanhound/scanhound/lab"
)

// source is one source address, with all that it probed.
type source struct {
	scan    lab.Scan
	targets map[target]outcome
}

type target struct {
	host     netip.Addr
	port     uint16
	protocol string
}

// outcome is what a target answered: the strongest answer counts.
type outcome int

const (
	silent outcome = iota
	closed
	open
)

func (s *source) probe(t target, at time.Time) {
	if len(s.targets) == 0 {
		s.scan.First = at.UTC()
	}
	s.scan.Last = at.UTC()
	s.targets[t] = max(s.targets[t], silent)
}

// hear ignores answers to what was never asked.
func (s *source) hear(t target, o outcome) {
	if was, asked := s.targets[t]; asked {
		s.targets[t] = max(was, o)
	}
}

func (s *source) sum() lab.Scan {
	hosts := make(map[netip.Addr]bool)
	ports := make(map[uint16]bool)
	scan := s.scan
	for t, o := range s.targets {
		hosts[t.host] = true
		if t.port != 0 {
			ports[t.port] = true
		}
		if p := &scan.Probed; !slices.Contains(p.Protocols, t.protocol) {
			p.Protocols = append(p.Protocols, t.protocol)
		}
		switch o {
		case open:
			scan.Answers.Open++
		case closed:
			scan.Answers.Closed++
		case silent:
			scan.Answers.Silent++
		}
	}
	slices.Sort(scan.Probed.Protocols)
	scan.Probed.Hosts = len(hosts)
	scan.Probed.Ports = len(ports)
	scan.Probed.Pairs = len(s.targets)
	return scan
}
