package schema

// Country is an ISO 3166-1 alpha-2 code. The zero value is an unknown one.
type Country [2]byte

// CountryOf returns the code that s holds: two capital letters, else unknown.
func CountryOf(s string) (c Country) {
	if len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		return c
	}
	return Country{s[0], s[1]}
}

// String returns the code, ?? where it is unknown.
func (c Country) String() string {
	if c == (Country{}) {
		return "??"
	}
	return string(c[:])
}

// number and countryFrom are its form on the wire.
func (c Country) number() uint64 { return uint64(c[0])<<8 | uint64(c[1]) }

func countryFrom(v uint64) Country { return CountryOf(string([]byte{byte(v >> 8), byte(v)})) }
