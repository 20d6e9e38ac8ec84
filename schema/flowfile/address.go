package flowfile

import (
	"bytes"
	"net/netip"
)

// parseAddr reads an IP address. The usual forms are read here, because netip
// wants a string, which costs an allocation; it reads what is not so usual.
func parseAddr(text []byte) (netip.Addr, error) {
	if a, ok := parseIPv4Text(text); ok {
		return a, nil
	}
	if a, ok := parseIPv6Text(text); ok {
		return a, nil
	}
	return parseAnyAddr(text)
}

func parseIPv4Text(text []byte) (a netip.Addr, ok bool) {
	var four [4]byte
	part, digits, value := 0, 0, 0
	for _, c := range text {
		switch {
		case c == '.' && digits > 0 && part < 3:
			four[part] = byte(value)
			part, digits, value = part+1, 0, 0
		case c >= '0' && c <= '9' && (digits == 0 || value > 0) && value*10+int(c-'0') <= 255:
			digits, value = digits+1, value*10+int(c-'0')
		default:
			return a, false
		}
	}
	four[3] = byte(value)
	return netip.AddrFrom4(four), part == 3 && digits > 0
}

// parseIPv6Text reads groups of hexadecimal digits and one :: between them.
func parseIPv6Text(text []byte) (a netip.Addr, ok bool) {
	var six [16]byte
	at, gap := 0, -1 // how many bytes are read, and how many stand before ::
	if bytes.HasPrefix(text, []byte("::")) {
		gap, text = 0, text[2:]
	}
	for more := len(text) > 0; more; {
		group, digits := uint16(0), 0
		for digits < len(text) && digits < 4 {
			d, ok := hexDigit(text[digits])
			if !ok {
				break
			}
			group, digits = group<<4|d, digits+1
		}
		if digits == 0 || at == len(six) {
			return a, false
		}
		six[at], six[at+1] = byte(group>>8), byte(group)
		at, text = at+2, text[digits:]
		switch {
		case len(text) == 0:
			more = false
		case len(text) > 1 && text[0] == ':' && text[1] == ':':
			if gap >= 0 {
				return a, false
			}
			gap, text = at, text[2:]
			more = len(text) > 0
		case text[0] == ':':
			text = text[1:]
		default:
			return a, false
		}
	}
	switch {
	case gap < 0 && at < len(six), gap >= 0 && at == len(six):
		return a, false
	case gap >= 0:
		behind := copy(six[len(six)-(at-gap):], six[gap:at])
		clear(six[gap : len(six)-behind])
	}
	return netip.AddrFrom16(six).Unmap(), true
}

// maxAddr is the longest form of an IPv6 address, with an IPv4 address in it and a zone behind.
const maxAddr = 64

func parseAnyAddr(text []byte) (netip.Addr, error) {
	if len(text) > maxAddr {
		return netip.Addr{}, &errValue{text, "an address"}
	}
	a, err := netip.ParseAddr(string(text))
	switch {
	case err != nil && bytes.Contains(text, []byte("..")):
		return netip.Addr{}, &errValue{text, "an address: nfdump cut it short (print addresses in full with -6)"}
	case err != nil:
		return netip.Addr{}, &errValue{text, "an address"}
	}
	return a.Unmap().WithZone(""), nil
}
