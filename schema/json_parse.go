package schema

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/encoding/json"
)

// ParseJSON reads one object into f, as AppendJSON or goflow2 writes it: keys
// in any order, numbers also as strings, times also in RFC 3339, protocols and
// types by name or number, networks as prefix or length. What is missing is
// zero; keys that it does not know are skipped, whatever they hold. An error
// says what is wrong and at which byte of the line.
func ParseJSON(line []byte, f *Flow) error {
	*f = Flow{}
	t := json.NewTokenizer(line)
	at := func() int { return len(line) - t.Remaining() - len(t.Value) + 1 }
	if !t.Next() || t.Delim != '{' {
		return fmt.Errorf("byte %d: not a JSON object", at())
	}
	known := 0
	for more := true; more; {
		if !t.Next() || !t.Value.String() {
			if t.Delim == '}' && known == 0 && t.Err == nil {
				break // {}
			}
			return syntaxError(t, at(), "a key")
		}
		key := t.String()
		if !t.Next() || t.Delim != ':' {
			return syntaxError(t, at(), "a colon")
		}
		if !t.Next() || t.Delim != 0 && t.Delim != '{' && t.Delim != '[' {
			return syntaxError(t, at(), "a value")
		}
		if t.Delim != 0 {
			if !skipNested(t) {
				return syntaxError(t, at(), "the end of a nested value")
			}
		} else if ok, err := f.setJSON(key, scalar{t}); err != nil {
			return fmt.Errorf("byte %d: %s: %w", at(), key, err)
		} else if ok {
			known++
		}
		if !t.Next() || t.Delim != ',' && t.Delim != '}' {
			return syntaxError(t, at(), "a comma or the end of the object")
		}
		more = t.Delim == ','
	}
	if t.Next() || t.Err != nil {
		return fmt.Errorf("byte %d: something stands behind the object", at())
	}
	if known == 0 {
		return errors.New("byte 1: the object has no field of a flow")
	}
	f.settle()
	return nil
}

func syntaxError(t *json.Tokenizer, at int, want string) error {
	if t.Err == nil && len(t.Value) == 0 {
		return fmt.Errorf("byte %d: the line ends where %s should be", at, want)
	}
	return fmt.Errorf("byte %d: expected %s", at, want)
}

// skipNested reads on to the end of the object or array that t has just entered.
func skipNested(t *json.Tokenizer) bool {
	for depth := 1; depth > 0; {
		if !t.Next() {
			return false
		}
		switch t.Delim {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
	}
	return true
}

// setJSON sets the field that key names, and reports whether there is one.
func (f *Flow) setJSON(key []byte, v scalar) (known bool, err error) {
	if v.t.Value.Null() {
		return false, nil
	}
	if name, ok := bytes.CutPrefix(key, []byte("src_")); ok {
		return f.Src.setJSON(name, v)
	}
	if name, ok := bytes.CutPrefix(key, []byte("dst_")); ok {
		return f.Dst.setJSON(name, v)
	}
	switch string(key) {
	case "type":
		f.Exporter.Type, err = v.flowType()
	case "time_received_ns":
		f.Received, err = v.time()
	case "time_flow_start_ns":
		f.Start, err = v.time()
	case "time_flow_end_ns":
		f.End, err = v.time()
	case "sequence_num":
		f.Exporter.Sequence, err = number[uint32](v)
	case "sampling_rate":
		f.Exporter.Sampling, err = number[uint32](v)
	case "sampler_address":
		f.Exporter.Addr, err = v.addr()
	case "observation_domain_id":
		f.Exporter.Domain, err = number[uint32](v)
	case "bytes":
		f.Src.Bytes, err = number[uint64](v)
	case "packets":
		f.Src.Packets, err = number[uint64](v)
	case "tcp_flags":
		f.Src.TCPFlags, err = number[uint16](v)
	case "in_if":
		f.Src.Interface, err = number[uint32](v)
	case "out_if":
		f.Dst.Interface, err = number[uint32](v)
	case "proto":
		f.Proto, err = v.proto()
	default:
		return f.setSmallJSON(key, v)
	}
	return true, err
}

// setSmallJSON sets the fields of one byte, and ours.
func (f *Flow) setSmallJSON(key []byte, v scalar) (known bool, err error) {
	switch string(key) {
	case "ip_tos":
		f.TOS, err = number[uint8](v)
	case "ip_ttl":
		f.TTL, err = number[uint8](v)
	case "icmp_type":
		f.ICMPType, err = number[uint8](v)
	case "icmp_code":
		f.ICMPCode, err = number[uint8](v)
	case "forwarding_status":
		f.Forward, err = number[uint8](v)
	case "reverse_bytes":
		f.Dst.Bytes, err = number[uint64](v)
	case "reverse_packets":
		f.Dst.Packets, err = number[uint64](v)
	case "reverse_tcp_flags":
		f.Dst.TCPFlags, err = number[uint16](v)
	case "flow_end_reason":
		f.EndReason, err = number[uint8](v)
	case "firewall_event":
		f.Event, err = number[uint8](v)
	case "firewall_event_reason":
		f.EventReason, err = number[uint16](v)
	case "nat_event":
		f.NATEvent, err = number[uint8](v)
	case "initiator":
		f.Initiator, err = choice[Initiator](v, initiatorNames[:])
	case "orientation":
		f.Orientation, err = choice[Orientation](v, orientationNames[:])
	case "swapped":
		f.Swapped = v.t.Value.True() || v.is("true")
	case "hints":
		f.Hints, err = number[Hints](v)
	default:
		return false, nil
	}
	return true, err
}

// setJSON sets the field of s whose key is name behind src_ or dst_.
func (s *Side) setJSON(name []byte, v scalar) (known bool, err error) {
	switch string(name) {
	case "addr":
		s.Addr, err = v.addr()
	case "port":
		s.Port, err = number[uint16](v)
	case "as":
		s.AS, err = number[uint32](v)
	case "vlan":
		s.VLAN, err = number[uint16](v)
	case "net":
		s.Mask, err = v.mask()
	case "country":
		s.Country = CountryOf(string(v.text()))
	case "untold":
		s.Untold, err = number[Untold](v)
		s.Untold &= untoldBits
	default:
		return false, nil
	}
	return true, err
}

// scalar is the string, number or word that the tokenizer stands on.
type scalar struct{ t *json.Tokenizer }

// text returns the value without its quotes, unescaped.
func (v scalar) text() []byte {
	if v.t.Value.String() {
		return v.t.String()
	}
	return v.t.Value
}

func (v scalar) is(s string) bool { return string(v.text()) == s }

// number reads an unsigned integer that fits in T.
func number[T ~uint8 | uint16 | uint32 | uint64](v scalar) (T, error) {
	text := v.text()
	if n, ok := decimal(text); ok {
		if uint64(T(n)) != n {
			return 0, fmt.Errorf("%d is more than %d", n, uint64(^T(0)))
		}
		return T(n), nil
	}
	// A program that keeps numbers as floats writes 4.2e+09 for a large one.
	if x, err := strconv.ParseFloat(string(text), 64); err == nil && x >= 0 && x <= 1<<53 && x == math.Trunc(x) {
		if n := uint64(x); uint64(T(n)) == n {
			return T(n), nil
		}
	}
	return 0, fmt.Errorf("%s is not a number from 0 to %d", v.t.Value, uint64(^T(0)))
}

// decimal reads 1 to 19 digits and nothing else, and 20 that fit in 64 bits.
func decimal(text []byte) (n uint64, ok bool) {
	if len(text) == 0 || len(text) > 20 {
		return 0, false
	}
	for _, c := range text {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// time reads nanoseconds since 1970 or, where goflow2 is told to write dates, RFC 3339.
func (v scalar) time() (Time, error) {
	text := v.text()
	if bytes.IndexByte(text, 'T') > 0 {
		t, err := time.Parse(time.RFC3339Nano, string(text))
		if err != nil || t.Year() < 1678 || t.Year() > 2261 { // what 64 bits of nanoseconds hold
			return 0, fmt.Errorf("%s is not a time", v.t.Value)
		}
		return TimeOf(t), nil
	}
	if n, ok := decimal(text); ok && n <= math.MaxInt64 {
		return Time(n), nil
	}
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return Time(n), nil
	}
	if x, err := strconv.ParseFloat(string(text), 64); err == nil && math.Abs(x) < 1<<63 {
		return Time(x), nil
	}
	return 0, fmt.Errorf("%s is neither nanoseconds since 1970 nor a time", v.t.Value)
}

func (v scalar) addr() (netip.Addr, error) {
	text := v.text()
	if len(text) == 0 {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%s is not an address", v.t.Value)
	}
	return a.Unmap().WithZone(""), nil
}

// mask reads the length of a prefix or the prefix itself.
func (v scalar) mask() (uint8, error) {
	text := v.text()
	if slash := bytes.LastIndexByte(text, '/'); slash >= 0 {
		if n, ok := decimal(text[slash+1:]); ok && n <= 128 {
			return uint8(n), nil
		}
		return 0, fmt.Errorf("%s is not a network", v.t.Value)
	}
	if len(text) == 0 || string(text) == "invalid Prefix" { // goflow2's word where there is no address
		return 0, nil
	}
	return number[uint8](v)
}

// proto reads a protocol's name or number. goflow2 gives one name to several
// of the numbers from 146 on: the lowest of them is taken.
func (v scalar) proto() (uint8, error) {
	switch text := v.text(); string(text) {
	case "TCP":
		return TCP, nil
	case "UDP":
		return UDP, nil
	case "ICMP":
		return ICMP, nil
	case "unassigned":
		return 146, nil
	case "experimental":
		return 253, nil
	case "reserved":
		return 255, nil
	case "unknown", "":
		return 0, nil
	default:
		if p, ok := ParseProto(string(text)); ok {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%s is not an IP protocol", v.t.Value)
}

func (v scalar) flowType() (FlowType, error) {
	if v.t.Value.String() {
		return ParseFlowType(string(v.text())), nil
	}
	n, err := number[uint8](v)
	if int(n) >= len(flowTypeNames) {
		n = 0
	}
	return FlowType(n), err
}

// choice reads one of names as its place among them.
func choice[T ~uint8](v scalar, names []string) (T, error) {
	for i, name := range names {
		if v.is(name) {
			return T(i), nil
		}
	}
	return 0, fmt.Errorf("%s is none of %s", v.t.Value, strings.Join(names, ", "))
}
