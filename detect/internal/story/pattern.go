package story

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// pattern is an address or a port as a story writes it: which one the i-th flow
// of a line has. It is a function of i alone.
//
//	22            the same in each flow
//	1+            the next one in each flow
//	1+256         so many further in each flow
//	1..20         all from 1 to 20 in turn, over and over
//	53,25,90..99  each of these in turn
//	...~          these, in an order without pattern; none twice in one turn
//	...*3         each three times before the next
type pattern struct {
	spans  []span
	total  uint64 // values in one turn; 0: it goes on without end
	step   uint64 // of one that goes on
	repeat uint64
	random bool
	seed   uint64
}

// span is a run of values. Of an IPv6 address they are the lower half.
type span struct {
	high         uint64
	six          bool
	first, count uint64
}

var patternForm = regexp.MustCompile(`^(.*?)(~|\+\d*)?(?:\*(\d+))?$`)

// parsePattern reads a pattern; one reads a single value or a range of them.
func parsePattern(text string, seed uint64, one func(string) (span, error)) (pattern, error) {
	m := patternForm.FindStringSubmatch(text)
	p := pattern{repeat: 1, random: m[2] == "~", seed: schema.Mix64(seed)}
	for part := range strings.SplitSeq(m[1], ",") {
		s, err := one(part)
		if err != nil {
			return p, err
		}
		p.spans = append(p.spans, s)
		p.total += s.count
	}
	if m[3] != "" {
		p.repeat, _ = strconv.ParseUint(m[3], 10, 32)
	}
	if strings.HasPrefix(m[2], "+") {
		if p.step = 1; m[2] != "+" {
			p.step, _ = strconv.ParseUint(m[2][1:], 10, 32)
		}
		if p.total != 1 {
			return p, fmt.Errorf("%q: + goes on from one value, not from several", text)
		}
		p.total = 0
	}
	if p.repeat == 0 || p.random && p.total < 2 {
		return p, fmt.Errorf("%q: ~ takes several values to choose from, * one or more times", text)
	}
	return p, nil
}

func addressSpan(s string) (span, error) {
	if from, to, ok := strings.Cut(s, ".."); ok {
		a, err := addressSpan(from)
		b, err2 := addressSpan(to)
		if err != nil || err2 != nil || a.six != b.six || a.high != b.high || b.first < a.first {
			return a, fmt.Errorf("%q: give the first and the last address of a range", s)
		}
		a.count = b.first - a.first + 1
		return a, nil
	}
	bitsHere := 0
	name := s
	if prefix, err := netip.ParsePrefix(s); err == nil {
		if bitsHere = prefix.Addr().BitLen() - prefix.Bits(); bitsHere > 32 || prefix != prefix.Masked() {
			return span{}, fmt.Errorf("%q: give the network's own address, and at most 2^32 addresses", s)
		}
		name = prefix.Addr().String()
	}
	a, err := netip.ParseAddr(name)
	if err != nil {
		return span{}, fmt.Errorf("%q is no address", s)
	}
	b := a.As16()
	at := span{six: a.Is6(), high: binary.BigEndian.Uint64(b[:8]), first: binary.BigEndian.Uint64(b[8:]), count: 1 << bitsHere}
	return at, nil
}

func numberSpan(limit uint64) func(string) (span, error) {
	return func(s string) (span, error) {
		from, to, isRange := strings.Cut(s, "..")
		if !isRange {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 32)
		b, err2 := strconv.ParseUint(to, 10, 32)
		if err != nil || err2 != nil || b < a || b > limit {
			return span{}, fmt.Errorf("%q: give a number up to %d, or a range such as 1..20", s, limit)
		}
		return span{first: a, count: b - a + 1}, nil
	}
}

// at returns the value of the i-th flow and the span that it is in.
func (p *pattern) at(i uint64) (uint64, *span) {
	k := i / p.repeat
	if p.total == 0 {
		return p.spans[0].first + k*p.step, &p.spans[0]
	}
	turn, j := k/p.total, k%p.total
	if p.random {
		j = p.shuffled(turn, j)
	}
	s := &p.spans[0]
	for n := range p.spans {
		if s = &p.spans[n]; j < s.count {
			break
		}
		j -= s.count
	}
	return s.first + j, s
}

// shuffled is the place of j in a turn: a*j + b modulo the number of values, which
// meets each of them once where a and that number have no common divisor.
func (p *pattern) shuffled(turn, j uint64) uint64 {
	a, b := schema.Mix64(p.seed^turn)%p.total|1, schema.Mix64(p.seed+turn)%p.total
	for gcd(a, p.total) != 1 {
		a += 2
	}
	hi, lo := bits.Mul64(a%p.total, j)
	return (bits.Rem64(hi, lo, p.total) + b) % p.total
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// single reports whether each value comes once and in order before all come again.
func (p *pattern) single() bool { return p.total > 0 && !p.random && p.repeat == 1 }

func (p *pattern) number(i uint64) uint64 {
	n, _ := p.at(i)
	return n
}

func (p *pattern) addr(i uint64) netip.Addr {
	n, s := p.at(i)
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], s.high)
	binary.BigEndian.PutUint64(b[8:], n)
	if s.six {
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte(b[12:]))
}

// most is the highest number of the first n flows.
func (p *pattern) most(n uint64) uint64 {
	if p.total == 0 {
		return p.number(n - 1)
	}
	most := uint64(0)
	for _, s := range p.spans {
		most = max(most, s.first+s.count-1)
	}
	return most
}
