package flowfile

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// errValue says which value of a line cannot be read. It holds the text and not
// a sentence, because most broken lines are only counted.
type errValue struct {
	text []byte // valid as long as the line
	want string
}

func (e *errValue) Error() string {
	return fmt.Sprintf("%.40q is not %s", e.text, e.want)
}

// parseNumber reads a decimal number that fits in T; nothing is 0.
func parseNumber[T uint8 | uint16 | uint32 | uint64](text []byte) (T, error) {
	n, ok := decimal(text)
	if !ok || uint64(T(n)) != n {
		return 0, &errValue{text, "a number, or is too large"}
	}
	return T(n), nil
}

// decimal reads digits that fit in 64 bits; nothing is 0.
func decimal(text []byte) (n uint64, ok bool) {
	for _, c := range text {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// parseCount reads a number of packets or bytes, also in nfdump's short form:
// "1.2 M" is 1,200,000.
func parseCount(text []byte) (uint64, error) {
	if n, ok := decimal(text); ok {
		return n, nil
	}
	unit, end := uint64(1), len(text)-1
	switch text[end] {
	case 'K', 'k':
		unit = 1e3
	case 'M':
		unit = 1e6
	case 'G':
		unit = 1e9
	case 'T':
		unit = 1e12
	default:
		end++
	}
	whole, fraction, _ := bytes.Cut(bytes.TrimRight(text[:end], " "), []byte("."))
	n, ok := decimal(whole)
	if !ok || len(whole) == 0 || n > math.MaxUint64/unit {
		return 0, &errValue{text, "a count"}
	}
	n *= unit
	for _, c := range fraction {
		unit /= 10
		d := uint64(c - '0')
		if d > 9 || n > math.MaxUint64-d*unit {
			return 0, &errValue{text, "a count"}
		}
		n += d * unit
	}
	return n, nil
}

// parsePort reads a port in decimal or, as Argus writes it, in hexadecimal.
func parsePort(text []byte) (uint16, error) {
	if hex, ok := hexadecimal(text); ok {
		return hex, nil
	}
	if n, ok := decimal(text); ok && n <= math.MaxUint16 {
		return uint16(n), nil
	}
	if isName(text) {
		return 0, &errValue{text, "a port: print numbers (of Argus with ra -n)"}
	}
	return 0, &errValue{text, "a port"}
}

// hexadecimal reads 0x and up to four digits.
func hexadecimal(text []byte) (uint16, bool) {
	digits, ok := bytes.CutPrefix(text, []byte("0x"))
	if !ok || len(digits) == 0 || len(digits) > 4 {
		return 0, false
	}
	n := uint16(0)
	for _, c := range digits {
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		n = n<<4 | d
	}
	return n, true
}

func hexDigit(c byte) (uint16, bool) {
	switch {
	case c >= '0' && c <= '9':
		return uint16(c - '0'), true
	case c >= 'a' && c <= 'f':
		return uint16(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return uint16(c-'A') + 10, true
	}
	return 0, false
}

// setPorts sets the ports of a protocol that has them. 0 on both sides is what
// is written of a later fragment of an IP datagram, which has none.
func setPorts(f *schema.Flow, src, dst []byte) (err error) {
	if !schema.HasPorts(f.Proto) {
		f.Src.Untold &^= schema.UntoldPort
		f.Dst.Untold &^= schema.UntoldPort
		return nil
	}
	if f.Src.Port, err = parsePort(src); err != nil {
		return fmt.Errorf("source port: %w", err)
	}
	if f.Dst.Port, err = parsePort(dst); err != nil {
		return fmt.Errorf("destination port: %w", err)
	}
	if f.Src.Port|f.Dst.Port == 0 {
		return nil
	}
	if len(src) > 0 {
		f.Src.Untold &^= schema.UntoldPort
	}
	if len(dst) > 0 {
		f.Dst.Untold &^= schema.UntoldPort
	}
	return nil
}

// flagLetters are the TCP flags from FIN upwards.
const flagLetters = "FSRPAUEC"

// parseFlags reads TCP flags: letters with dots or nothing between, in any
// order, or a number, also in hexadecimal. X is all of the first six.
func parseFlags(text []byte) (uint16, error) {
	if hex, ok := hexadecimal(text); ok {
		return hex, nil
	}
	if n, ok := decimal(text); ok && n <= math.MaxUint16 {
		return uint16(n), nil
	}
	flags := uint16(0)
	for _, c := range text {
		switch i := bytes.IndexByte([]byte(flagLetters), c); {
		case i >= 0:
			flags |= 1 << i
		case c == 'X':
			flags |= 0x3f
		case c != '.' && c != ' ':
			return 0, &errValue{text, "TCP flags"}
		}
	}
	return flags, nil
}

// settle completes a flow that came from a line. When it arrived is not known
// and may not depend on when the file is read: it is when the flow was over.
func settle(f *schema.Flow) error {
	if !f.Src.Addr.IsValid() || !f.Dst.Addr.IsValid() {
		return errNoAddress
	}
	if f.Start < 0 || f.End < 0 {
		return errOutOfTime
	}
	if f.Src.Packets|f.Dst.Packets == 0 { // there is no flow of no packet
		f.Src.Untold |= schema.UntoldPackets
		f.Dst.Untold |= schema.UntoldPackets
	}
	f.Received = f.End
	if f.Received == 0 {
		f.Received = f.Start
	}
	return nil
}

var (
	errNoAddress = errors.New("has no address")
	errOutOfTime = errors.New("begins before 1970 or ends after 2262")
)

// parseFloat reads what the parsers of decimals do not: exponents.
func parseFloat(text []byte) (float64, bool) {
	if len(text) > 40 {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(text), 64)
	return x, err == nil && math.Abs(x) < float64(math.MaxInt64)/float64(time.Second)
}
