package detect_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/schema"
)

// The language of stories; testdata/README.md tells it to who writes one.

// line is one line of a story's flows: conversations of one kind.
type line struct {
	number int

	begin       time.Duration // after midnight of the first day
	gap         [2]time.Duration
	count       uint64
	pause       time.Duration
	pauseEach   uint64
	late        [2]time.Duration
	dice        *rand.Rand
	src, dst    pattern
	srcPort     pattern
	dstPort     pattern
	proto       uint8
	outcome     string
	ask, back   sent
	form        form
	exporter    netip.Addr
	sampling    uint32
	flagless    bool
	unreachable bool
}

// protoInPort stands for "the number of the protocol is in the port's pattern".
const protoInPort = 255

// parser reads the words of a line.
type parser struct {
	words []string
	line  *line
}

func (p *parser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// take reads the next word if it is the one asked for.
func (p *parser) take(word string) bool {
	if len(p.words) == 0 || p.words[0] != word {
		return false
	}
	p.words = p.words[1:]
	return true
}

// parseLine reads, in this order: when, how often, who asks whom, over what, what
// came of it, and what is special about it.
func parseLine(text string, number int) (*line, error) {
	seed := uint64(number)
	l := &line{number: number, count: 1, exporter: storyExporter, dice: rand.New(rand.NewPCG(seed, 1))}
	p := &parser{strings.Fields(text), l}
	for _, step := range []func() error{p.when, p.often, p.who, p.over, p.special, p.check} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

var timeForms = []string{"15:04", "15:04:05", "15:04:05.000"}

func (p *parser) when() error {
	day := 1
	word := p.next()
	if n, ok := strings.CutPrefix(word, "day"); ok {
		var err error
		if day, err = strconv.Atoi(n); err != nil || day < 1 {
			return fmt.Errorf("%q: give day1, day2 and so on", word)
		}
		word = p.next()
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, word); err == nil {
			p.line.begin = time.Duration(day-1)*24*time.Hour + t.Sub(t.Truncate(24*time.Hour))
			return nil
		}
	}
	return fmt.Errorf("%q: give a time such as 08:00 or 08:00:00.500", word)
}

func (p *parser) often() (err error) {
	if p.take("every") {
		if p.line.gap, err = durations(p.next()); err != nil {
			return err
		}
	}
	if len(p.words) > 0 && regexp.MustCompile(`^x\d+$`).MatchString(p.words[0]) {
		if p.line.count, err = strconv.ParseUint(p.next()[1:], 10, 24); err != nil || p.line.count == 0 {
			return fmt.Errorf("give x1 to x%d", 1<<24-1)
		}
	}
	if p.take("pause") {
		if p.line.pause, err = time.ParseDuration(p.next()); err != nil {
			return fmt.Errorf("pause: %w", err)
		}
		if !p.take("each") {
			return fmt.Errorf("after how many? Write: pause 1h each 100")
		}
		if p.line.pauseEach, err = strconv.ParseUint(p.next(), 10, 24); err != nil || p.line.pauseEach == 0 {
			return fmt.Errorf("pause each: give a number of conversations")
		}
	}
	return nil
}

// durations reads 5s, or 5s..20s.
func durations(s string) (d [2]time.Duration, err error) {
	from, to, isRange := strings.Cut(s, "..")
	if !isRange {
		to = from
	}
	for i, text := range []string{from, to} {
		if d[i], err = time.ParseDuration(text); err != nil || d[i] < 0 {
			return d, fmt.Errorf("%q: give a time such as 10s, or 10s..2m", s)
		}
	}
	if d[1] < d[0] {
		return d, fmt.Errorf("%q: the shorter time comes first", s)
	}
	return d, nil
}

func (p *parser) who() (err error) {
	l := p.line
	host, port := splitPort(p.next())
	if l.src, err = parsePattern(host, seedOf(l, 1), addressSpan); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if l.srcPort, err = parsePattern(cmp.Or(port, "32768..60999"), seedOf(l, 2), numberSpan(65535)); err != nil {
		return fmt.Errorf("source port: %w", err)
	}
	if !p.take("->") {
		return fmt.Errorf("an arrow -> must follow the source")
	}
	if l.dst, err = parsePattern(p.next(), seedOf(l, 3), addressSpan); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if l.src.spans[0].six != l.dst.spans[0].six {
		return fmt.Errorf("source and target are of IPv4 and IPv6")
	}
	return nil
}

func seedOf(l *line, place uint64) uint64 { return uint64(l.number)<<8 | place }

// splitPort cuts 10.0.0.1:40000 and [2001:db8::1]:40000.
func splitPort(s string) (host, port string) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host, port, _ = strings.Cut(inner, "]")
		return host, strings.TrimPrefix(port, ":")
	}
	if strings.Count(s, ":") == 1 {
		host, port, _ = strings.Cut(s, ":")
		return host, port
	}
	return s, ""
}

var portProtocols = map[string]uint8{"tcp": schema.TCP, "udp": schema.UDP, "sctp": schema.SCTP, "dccp": schema.DCCP, "proto": protoInPort}

func (p *parser) over() (err error) {
	l := p.line
	name, port, _ := strings.Cut(p.next(), "/")
	var known bool
	switch l.proto, known = portProtocols[name]; {
	case name == "icmp" && port == "":
		l.proto = schema.ICMP
	case !known:
		return fmt.Errorf("%q: give icmp, or tcp, udp, sctp, dccp or proto with a slash and a number", name)
	default:
		limit := uint64(65535)
		if l.proto == protoInPort {
			limit = 254
		}
		if l.dstPort, err = parsePattern(port, seedOf(l, 4), numberSpan(limit)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	l.outcome = p.next()
	if can := outcomesOf(l.proto); !slices.Contains(can, l.outcome) {
		return fmt.Errorf("%q: over %s give %s", l.outcome, name, strings.Join(can, ", "))
	}
	l.ask, l.back = outcomes[l.outcome].ask, outcomes[l.outcome].back
	return nil
}

// special reads what stands behind the outcome, in any order.
func (p *parser) special() (err error) {
	l := p.line
	for len(p.words) > 0 {
		switch word := p.next(); word {
		case "refused":
			l.back = closedPort
			if l.proto != schema.TCP {
				return fmt.Errorf("refused: only TCP has an RST to refuse with")
			}
		case "unreachable":
			l.back, l.unreachable = icmpError, true
		case string(oneWay), string(replyOnly), string(biflow):
			l.form = form(word)
		case "flagless":
			l.flagless = true
		case "sampled":
			var n uint64
			if n, err = strconv.ParseUint(p.next(), 10, 32); err != nil || n < 2 {
				return fmt.Errorf("sampled: give N of 1 in N")
			}
			l.sampling, l.ask, l.back = uint32(n), l.ask.sample(), l.back.sample()
		case "packets":
			n, err := strconv.ParseUint(p.next(), 10, 32)
			if err != nil || n == 0 {
				return fmt.Errorf("packets: give a number")
			}
			l.ask.packets, l.ask.bytes = n, l.ask.bytes/l.ask.packets*n
		case "exporter":
			if l.exporter, err = netip.ParseAddr(p.next()); err != nil {
				return fmt.Errorf("exporter: %w", err)
			}
		case "late":
			if l.late, err = durations(p.next()); err != nil {
				return fmt.Errorf("late: %w", err)
			}
		default:
			return fmt.Errorf("%q: give refused, unreachable, one-way, reply-only, biflow, flagless, sampled N, packets N, exporter A, late D", word)
		}
	}
	return nil
}

// check finds what no single word shows.
func (p *parser) check() error {
	l := p.line
	switch {
	case l.count > 1 && l.gap == [2]time.Duration{}:
		return fmt.Errorf("x%d: say how far apart: every 1s x%d", l.count, l.count)
	case l.form == replyOnly && l.back.packets == 0:
		return fmt.Errorf("reply-only: nobody answers a %s; add refused or unreachable", l.outcome)
	case schema.HasPorts(l.proto) && max(l.srcPort.most(l.count), l.dstPort.most(l.count)) > 65535:
		return fmt.Errorf("the ports go on beyond 65535")
	}
	return nil
}

// parseSetting reads what a story changes of the default settings.
func parseSetting(text string, cfg *detect.Config) (err error) {
	name, value, _ := strings.Cut(text, " ")
	value = strings.TrimSpace(value)
	switch name {
	case "internal":
		for s := range strings.SplitSeq(value, ",") {
			prefix, err := netip.ParsePrefix(s)
			if err != nil {
				return err
			}
			cfg.Internal = append(cfg.Internal, prefix)
		}
	case "window":
		cfg.Window, err = time.ParseDuration(value)
	case "memory":
		cfg.Memory, err = strconv.ParseUint(value, 10, 64)
	default:
		return fmt.Errorf("%q: give internal, window or memory", name)
	}
	return err
}
