package netflow

import (
	"time"

	"github.com/scanhound/scanhound/schema"
)

// clock is what the header of a datagram says of the time.
type clock struct {
	export schema.Time // when the datagram was sent, by the exporter's clock
	uptime uint32      // ms since the exporter started, at that time; not in IPFIX
}

const (
	// ahead is how far a flow's uptime may lie ahead of the header's: exporters read the two at
	// different moments. What looks further ahead is old, from before the counter wrapped.
	ahead = uint32(time.Hour / time.Millisecond)
	// wrap is when a counter of milliseconds of 32 bits starts again: after 49.7 days.
	wrap = schema.Time(1<<32) * schema.Time(time.Millisecond)
	// ntpEpoch is 1970 in seconds since 1900.
	ntpEpoch = 2_208_988_800
)

// uptimeAt returns when the exporter had been up for ms milliseconds.
func (c *clock) uptimeAt(ms uint32) schema.Time {
	age := c.uptime - ms
	if age > 1<<32-1-ahead {
		return c.export + schema.Time(ms-c.uptime)*schema.Time(time.Millisecond)
	}
	return c.export - schema.Time(age)*schema.Time(time.Millisecond)
}

// sinceBoot is uptimeAt for an exporter that says when it started instead of its uptime. Of the
// instants at which its counter says ms it is the last one that does not lie ahead of the export. The
// counter may have wrapped since the start; or the start is one that it counted back from a
// uptime below zero (softflowd, which reads a recording, takes its own start for that of the packets).
func (c *clock) sinceBoot(boot schema.Time, ms uint32) schema.Time {
	t := boot + schema.Time(ms)*schema.Time(time.Millisecond)
	late := c.export.Add(time.Duration(ahead)*time.Millisecond) - t
	if late < 0 {
		late -= wrap - 1 // so that the division rounds down
	}
	return t + late/wrap*wrap
}

// before returns the time delta microseconds before the export.
func (c *clock) before(delta uint64) schema.Time {
	return c.export - schema.Time(delta&(1<<32-1))*schema.Time(time.Microsecond)
}

// The largest values that still are an int64 of nanoseconds; beyond them a time is not known.
const (
	maxSeconds      = 1 << 33
	maxMilliseconds = 1 << 43
)

func seconds(v uint64) schema.Time {
	if v > maxSeconds {
		return 0
	}
	return schema.Time(v) * schema.Time(time.Second)
}

func milliseconds(v uint64) schema.Time {
	if v > maxMilliseconds {
		return 0
	}
	return schema.Time(v) * schema.Time(time.Millisecond)
}

// ntp reads seconds since 1900 and a fraction of 32 bits. Seconds before 1970 are those of the era
// that begins in 2036: the subtraction wraps.
func ntp(v uint64) schema.Time {
	if v == 0 {
		return 0
	}
	secs, fraction := uint32(v>>32)-ntpEpoch, v&(1<<32-1)
	return schema.Time(secs)*schema.Time(time.Second) + schema.Time(fraction*uint64(time.Second)>>32)
}

// ntpMicro is ntp without the 11 bits that mean nothing in microseconds (RFC 7011, section 6.1.9).
func ntpMicro(v uint64) schema.Time { return ntp(v &^ (1<<11 - 1)) }
