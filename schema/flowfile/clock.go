package flowfile

import (
	"bytes"
	"math"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// maxSeconds is beyond any time of day in seconds and below any in milliseconds
// that was since 1973, so that a number says what it counts.
const maxSeconds = 1e11

// parseTime reads a time in one of the forms that collectors print:
//
//	2014-06-09 23:59:59.422    nfdump, VAST
//	2014/06/09 23:59:59.422    Argus
//	2014-06-09T23:59:59.422Z   Zeek, also with +02:00
//	1402358399.422             seconds since 1970
//	1402358399422              milliseconds since 1970
//
// Where no zone is named it is taken as UTC: nfdump and Argus print the local
// time of the machine that they run on, and do not say which that is.
func parseTime(text []byte) (schema.Time, error) {
	if len(text) >= len("2006-01-02 15:04:05") && (text[4] == '-' || text[4] == '/') {
		return parseDate(text)
	}
	whole, fraction, _ := bytes.Cut(text, []byte("."))
	if n, ok := decimal(whole); ok && n >= maxSeconds {
		part, ok := fractionOf(fraction)
		if !ok || n > math.MaxInt64/uint64(time.Millisecond)-1 {
			return 0, &errValue{text, "a time"}
		}
		return schema.Time(int64(n)*int64(time.Millisecond) + part/1000), nil
	}
	if n, ok := seconds(text); ok {
		return schema.Time(n), nil
	}
	if len(text) >= len("15:04:05") && text[2] == ':' && text[5] == ':' {
		return 0, &errValue{text, "a time with its date (ra prints that with -u)"}
	}
	return 0, &errValue{text, "a time"}
}

func parseDate(text []byte) (schema.Time, error) {
	number := func(from, to int) int {
		n, ok := decimal(text[from:to])
		if !ok {
			return -1
		}
		return int(n)
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	hour, minute, second := number(11, 13), number(14, 16), number(17, 19)
	switch {
	case bytes.HasPrefix(text, []byte("0000-00-00 00:00:00")): // pmacct's and nfdump's for none
		return 0, nil
	case text[7] != text[4], text[10] != ' ' && text[10] != 'T', text[13] != ':', text[16] != ':',
		year < 1970, year > 2261, // what 64 bits of nanoseconds hold
		month < 1, month > 12, day < 1, hour < 0, hour > 23, minute < 0, minute > 59, second < 0, second > 60:
		return 0, &errValue{text, "a time"}
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Month() != time.Month(month) && second < 60 {
		return 0, &errValue{text, "a time"}
	}
	rest := text[19:]
	var fraction int64
	if len(rest) > 0 && rest[0] == '.' {
		end := 1
		for end < len(rest) && rest[end]-'0' <= 9 {
			end++
		}
		fraction, _ = fractionOf(rest[1:end])
		rest = rest[end:]
	}
	zone, ok := parseZone(rest)
	if !ok {
		return 0, &errValue{text, "a time"}
	}
	return schema.Time(t.Unix()*int64(time.Second) + fraction - int64(zone)), nil
}

// parseZone reads nothing, Z, or +02:00, with or without the colon.
func parseZone(text []byte) (time.Duration, bool) {
	if len(text) == 0 || string(text) == "Z" {
		return 0, true
	}
	digits := bytes.ReplaceAll(text[1:], []byte(":"), nil)
	n, ok := decimal(digits)
	if !ok || len(digits) != 4 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	zone := time.Duration(n/100)*time.Hour + time.Duration(n%100)*time.Minute
	if text[0] == '-' {
		zone = -zone
	}
	return zone, true
}

// parseSpan reads a duration: seconds with a fraction, or as nfdump 1.7 prints
// it, 1d 00:00:01.250.
func parseSpan(text []byte) (time.Duration, error) {
	if n, ok := seconds(text); ok {
		return time.Duration(n), nil
	}
	clock := text
	days := uint64(0)
	if day, rest, found := bytes.Cut(text, []byte("d ")); found {
		n, ok := decimal(bytes.TrimSpace(day))
		if !ok || n > 36500 {
			return 0, &errValue{text, "a duration"}
		}
		days, clock = n, rest
	}
	if len(clock) < len("15:04:05") || clock[2] != ':' || clock[5] != ':' {
		return 0, &errValue{text, "a duration"}
	}
	hours, okHours := decimal(clock[:2])
	minutes, okMinutes := decimal(clock[3:5])
	n, okSeconds := seconds(clock[6:])
	if !okHours || !okMinutes || !okSeconds || n > int64(time.Hour) {
		return 0, &errValue{text, "a duration"}
	}
	return time.Duration(days*24+hours)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(n), nil
}

// seconds reads seconds with a fraction, as nanoseconds. What is below a
// nanosecond is rounded.
func seconds(text []byte) (int64, bool) {
	whole, fraction, _ := bytes.Cut(text, []byte("."))
	if n, ok := decimal(whole); ok && n < math.MaxInt64/uint64(time.Second) {
		if f, ok := fractionOf(fraction); ok {
			return int64(n)*int64(time.Second) + f, true
		}
	}
	x, ok := parseFloat(text) // 9.5e-05
	return int64(math.Round(x * float64(time.Second))), ok && x >= 0
}

// fractionOf reads the digits behind the point of seconds.
func fractionOf(digits []byte) (int64, bool) {
	n, unit := int64(0), int64(time.Second)
	for i, c := range digits {
		d := int64(c - '0')
		switch {
		case d < 0 || d > 9:
			return 0, false
		case i < 9:
			unit /= 10
			n += d * unit
		case i == 9 && d >= 5:
			n++
		}
	}
	return n, true
}
