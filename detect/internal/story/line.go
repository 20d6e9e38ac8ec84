package story

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

	"github.com/scanhound/scanhound/detect/internal/flowtest"
	"github.com/scanhound/scanhound/schema"
)

// line is one line of a story's flows: conversations of one kind.
type line struct {
	number int
	dice   *rand.Rand

	rhythm
	delays
	src, dst         pattern
	srcPort, dstPort pattern
	all              *shuffle // that picks a host and a port at once; nil: each pattern goes on by itself

	proto       uint8
	outcome     string
	ask, back   sent
	unreachable bool
	records
}

// rhythm is when the conversations of a line begin.
type rhythm struct {
	begin     time.Duration // after midnight of the first day
	gap       [2]time.Duration
	count     uint64
	pause     time.Duration
	pauseEach uint64
}

// records is what is special about the records of a line.
type records struct {
	form     form
	exporter netip.Addr
	sampling uint32
	flagless bool
	untold   schema.Untold
	leave    func(*schema.Flow) // out of each record; nil: nothing
	event    event
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
	l := &line{number: number, dice: rand.New(rand.NewPCG(seed, 1))}
	l.rhythm.count, l.exporter = 1, flowtest.Exporter
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
		if p.line.rhythm.count, err = strconv.ParseUint(p.next()[1:], 10, 24); err != nil || p.line.rhythm.count == 0 {
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
