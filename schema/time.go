package schema

import "time"

// Time is an instant in nanoseconds since the Unix epoch, in UTC; zero means
// that it is not known. It stands in a Flow instead of time.Time because it is
// 8 bytes instead of 24, holds no pointer, and is what the wire form carries.
type Time int64

// TimeOf returns t as a Time; the zero time.Time gives zero.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixNano())
}

// Std returns t in UTC; zero gives the zero time.Time.
func (t Time) Std() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t)).UTC()
}

// Add returns the instant d after t.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns how much later than u t is.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Seconds returns the whole seconds since the Unix epoch.
func (t Time) Seconds() int64 { return int64(t) / int64(time.Second) }
