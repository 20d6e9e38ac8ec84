package schema

import (
	"encoding/binary"
	"net/netip"
)

// Topics, groups and the stream carry the version of what is in them: a change
// that an older reader could not skip over gets a new name.
const (
	FlowsTopic    = "scanhound.flows.v1"
	AlertsTopic   = "scanhound.alerts.v1"
	StateTopic    = "scanhound.state.v1"
	TemplateTopic = "scanhound.templates.v1"
	DetectorGroup = "scanhound-detector.v1"
	AlerterGroup  = "scanhound-alerter.v1"

	AlertStream   = "SCAN_ALERTS"
	AlertSubjects = "alerts.scan.>"
)

// SevereSubjects are those of the copies of severe alerts, see [AlertHeader.SevereSubjects].
var SevereSubjects = []string{"alerts.high.>", "alerts.critical.>"}

// SevereStream is the name of the stream that holds the copies, beside the named one.
func SevereStream(alerts string) string { return alerts + "_SEVERE" }

// Subject returns the NATS subject of an alert, see [AlertHeader.Subject].
func Subject(a *Alert, site string) string {
	h := a.Header()
	return h.Subject(site)
}

// Partition returns the partition of n that holds all flows of a source. The
// addresses of one IPv6 /64 share a partition, so that the union of a /64 can
// be kept in one place; an IPv4 address and its IPv4-mapped form are one.
//
// The function is part of the wire form: changing it moves every source.
func Partition(source netip.Addr, n int) int {
	if n <= 1 {
		return 0
	}
	var key uint64
	if source.Is4() || source.Is4In6() {
		a := source.As4()
		key = uint64(binary.BigEndian.Uint32(a[:]))
	} else {
		a := source.As16()
		key = binary.BigEndian.Uint64(a[:8]) ^ 1<<63
	}
	return int(Mix64(key) % uint64(n))
}

// HashAddr mixes all bits of an address of 16 bytes.
func HashAddr(a *[16]byte) uint64 {
	return Mix64(binary.BigEndian.Uint64(a[:8]) ^ Mix64(binary.BigEndian.Uint64(a[8:])))
}

// Mix64 is the finalizer of splitmix64 (Steele, Lea, Flood: "Fast splittable
// pseudorandom number generators", 2014): a bijection whose every output bit
// depends on every input bit.
func Mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
