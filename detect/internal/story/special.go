package story

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/schema"
)

// special reads what stands behind the outcome, in any order: numbers are given as the
// exporter tells them, so after what else makes them.
func (p *parser) special() error {
	var numbers []string
	for len(p.words) > 0 {
		word := p.next()
		if strings.Contains(word, "=") {
			numbers = append(numbers, word)
			continue
		}
		if err := p.word(word); err != nil {
			return err
		}
	}
	for _, word := range numbers {
		name, value, _ := strings.Cut(word, "=")
		if err := p.line.assign(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) word(word string) (err error) {
	l := p.line
	switch word {
	case "refused":
		l.back = closedPort
		if l.proto != schema.TCP {
			return fmt.Errorf("refused: only TCP has an RST to refuse with")
		}
	case "unreachable":
		l.back, l.unreachable = icmpError, true
	case string(oneWay), string(replyOnly), string(biflow), string(byAddress):
		l.form = form(word)
	case "flagless":
		l.flagless = true
	case "created", "deleted", "denied", "translated": // as a firewall or a translator has it
		l.leave, l.form = flowtest.Exported[word], biflow
	case "without-packets", "without-ports", "fragments":
		l.leave = flowtest.Exported[word]
	case "sampled":
		n, err := strconv.ParseUint(p.next(), 10, 32)
		if err != nil || n < 2 {
			return fmt.Errorf("sampled: give N of 1 in N")
		}
		l.sampling, l.ask, l.back = uint32(n), l.ask.sample(), l.back.sample()
	case "exporter":
		if p.take("none") { // as in files, which do not say who
			l.exporter = netip.Addr{}
		} else if l.exporter, err = netip.ParseAddr(p.next()); err != nil {
			return fmt.Errorf("exporter: give an address, or none: %w", err)
		}
	case "late", "ask-late", "answer-late":
		d, err := durations(p.next())
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		*map[string]*[2]time.Duration{"late": &l.late, "ask-late": &l.askLate, "answer-late": &l.answerLate}[word] = d
	case "shuffled":
		return p.shuffled()
	default:
		return fmt.Errorf("%q: give refused, unreachable, one-way, reply-only, biflow, by-address, flagless, created, deleted, denied, translated, without-packets, without-ports, fragments, sampled N, exporter A, late D, ask-late D, answer-late D, "+
			"shuffled, packets=N, bytes=N, flags=?, ports=?, event=E, nat=E or reason=N", word)
	}
	return nil
}

// shuffled reads the seed that may follow: that of another line's order, say.
func (p *parser) shuffled() error {
	l := p.line
	seed := seedOf(l, 5)
	if len(p.words) > 0 {
		if n, err := strconv.ParseUint(p.words[0], 10, 32); err == nil {
			seed, p.words = n, p.words[1:]
		}
	}
	if !l.dst.single() || schema.HasPorts(l.proto) && !l.dstPort.single() {
		return fmt.Errorf("shuffled: give hosts and ports that have an end, without ~ and *")
	}
	all := newShuffle(l.dst.total*max(l.dstPort.total, 1), seed)
	l.all = &all
	return nil
}

// target is the place in the pattern of hosts, and in that of ports, of the i-th conversation.
func (l *line) target(i uint64) (host, port uint64) {
	if l.all == nil {
		return i, i
	}
	n := l.all.at(i)
	return n % l.dst.total, n / l.dst.total
}

// check finds what no single word shows.
func (p *parser) check() error {
	l := p.line
	switch {
	case l.rhythm.count > 1 && l.gap == [2]time.Duration{}:
		return fmt.Errorf("x%d: say how far apart: every 1s x%d", l.rhythm.count, l.rhythm.count)
	case l.form == replyOnly && l.back.packets == 0:
		return fmt.Errorf("reply-only: nobody answers a %s; add refused or unreachable", l.outcome)
	case l.form == biflow && l.split():
		return fmt.Errorf("a biflow is one record: give late, not ask-late or answer-late")
	case l.untold&schema.UntoldPort != 0 && !schema.HasPorts(l.proto):
		return fmt.Errorf("ports=?: this protocol has none")
	case schema.HasPorts(l.proto) && max(l.srcPort.most(l.rhythm.count), l.dstPort.most(l.rhythm.count)) > 65535:
		return fmt.Errorf("the ports go on beyond 65535")
	}
	return nil
}
