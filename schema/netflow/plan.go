package netflow

import (
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// plan is a template compiled: what to take from where. It never changes.
type plan struct {
	ops       []op
	steps     []step // nil where each op has its place; else they must be walked to find them
	size      int    // of a record; the smallest where they differ
	two       bool   // it has both addresses
	late      bool   // there are kinds above lateKinds
	sampled   bool   // a record says its sampler or its rate
	icmp      bool   // it has ICMP type and code
	section   bool   // it has the beginning of a packet, and not both addresses
	lists     bool   // it has lists of records, and not both addresses
	untold    untold
	initiator schema.Initiator
}

// op takes the 8 bytes at `at` as a number, shifts it right so that the field's own bytes remain,
// and does with it what kind says. Addresses are taken from `at` as they are.
type op struct {
	kind  kind
	shift uint8
	at    uint16
	n     uint16 // of octets: how many
}

// step is a field, or a run of fields that are skipped.
type step struct {
	kind   kind
	length uint16
	again  bool // a field before it has the same meaning: a zero here says nothing
}

// compile returns the plan of these fields, and Changed; or the fault for which no record can be of them.
func compile(version uint16, options bool, fields []Field) (plan, Fault) {
	p := plan{}
	meant := make([]kind, len(fields))
	for i, f := range fields {
		k, reverse := kindOf(version, f)
		if !k.fits(f.Length) {
			k = skip
		}
		if reverse && k != skip || ofASA(version, f) {
			p.initiator = schema.InitiatorSrc
		}
		meant[i] = k
	}
	if !options {
		p.settle(version, meant)
		p.untold = untoldBy(meant)
	}
	p.place(fields, meant)
	switch {
	case p.size == 0:
		return p, NoBytes
	case p.size > maxSet:
		return p, LongRecord
	}
	return p, Changed
}

// place turns the fields into ops or, where their places or their meaning differ from record to
// record, into steps.
func (p *plan) place(fields []Field, meant []kind) {
	var (
		walked bool
		seen   [kinds]bool
		steps  []step
		at     int
	)
	for i, f := range fields {
		k := meant[i]
		s := step{kind: k, length: f.Length, again: seen[k] && !k.adds()}
		walked = walked || s.again || f.Length == variable
		seen[k] = k != skip
		if f.Length == variable {
			p.size++
		} else {
			p.size += int(f.Length)
		}
		if last := len(steps) - 1; k == skip && f.Length != variable && last >= 0 && steps[last].skips(f.Length) {
			steps[last].length += f.Length
		} else {
			steps = append(steps, s)
		}
		if k != skip {
			p.add(place(k, at, int(f.Length)), int(f.Length))
		}
		at += int(f.Length)
		p.late = p.late || k > lateKinds
		p.section = p.section || k == ipSection || k == frameSection
		p.lists = p.lists || k == subList || k == subMultiList
		p.icmp = p.icmp || k >= icmp && k <= icmpCode
		p.sampled = p.sampled || k >= sampler && k <= samplePopulation
	}
	p.two = (seen[srcAddr4] || seen[srcAddr6] || seen[srcLate4] || seen[srcLate6]) &&
		(seen[dstAddr4] || seen[dstAddr6] || seen[dstLate4] || seen[dstLate6])
	p.section = p.section && !p.two
	p.lists = p.lists && !p.two
	// A record longer than any datagram has no place for its later fields; it is never decoded.
	if walked || at >= variable {
		p.steps, p.ops = steps, nil
	}
	p.ops = slices.Clip(p.ops)
}

// add appends o, a field of n bytes, or makes one op of it and the one before.
func (p *plan) add(o op, n int) {
	if last := len(p.ops) - 1; last >= 0 {
		before := p.ops[last]
		for _, c := range pairs {
			if before.kind == c.first && o.kind == c.second && n == c.length && before == place(c.first, int(o.at)-n, n) {
				p.ops[last] = place(c.both, int(before.at), 2*n)
				return
			}
		}
	}
	p.ops = append(p.ops, o)
}

// skips reports whether a run of skipped bytes can be made n longer.
func (s step) skips(n uint16) bool {
	return s.kind == skip && s.length != variable && int(s.length)+int(n) < variable
}

// adds reports whether a zero changes nothing anyway.
func (k kind) adds() bool {
	return k == srcFlagsToo || k == dstFlagsToo || k == srcPortToo || k == dstPortToo
}

// place returns the op for a value of n bytes at `at`. Of a number longer than 8 bytes the last 8 count.
func place(k kind, at, n int) op {
	if k.octets() {
		return op{kind: k, at: uint16(at), n: uint16(n)}
	}
	if k.size() == 0 && n > 8 {
		at, n = at+n-8, 8
	}
	return op{kind: k, at: uint16(at), shift: uint8(8*(8-min(n, 8))) & 63}
}

// settle decides what fields mean beside each other.
func (p *plan) settle(version uint16, meant []kind) {
	has := func(ks ...kind) bool {
		return slices.ContainsFunc(ks, func(k kind) bool { return slices.Contains(meant, k) })
	}
	replace := func(from, to kind) {
		for i, k := range meant {
			if k == from {
				meant[i] = to
			}
		}
	}
	either := func(cond bool, yes, no kind) kind {
		if cond {
			return yes
		}
		return no
	}
	if has(initiatorBytes, responderBytes, initiatorPackets, responderPackets) {
		p.initiator = schema.InitiatorSrc
	}
	// OUT counters beside IN counters are the way back in v9 (FortiGate, nProbe); in IPFIX they are
	// the same packets behind a middlebox. Alone they are all there is (Cisco's egress records).
	back := version == versionV9
	plainBytes, plainPackets := has(srcBytes, initiatorBytes), has(srcPackets, initiatorPackets)
	replace(outBytes, either(plainBytes, either(back && !has(dstBytes, responderBytes), dstBytes, skip), srcBytes))
	replace(outPackets, either(plainPackets, either(back && !has(dstPackets, responderPackets), dstPackets, skip), srcPackets))
	// A total counts from the flow's start, a delta from the last record: the latter where there is one.
	replace(totalBytes, either(has(srcBytes, initiatorBytes), skip, srcBytes))
	replace(totalPackets, either(has(srcPackets, initiatorPackets), skip, srcPackets))
	replace(initiatorBytes, either(has(srcBytes), skip, srcBytes))
	replace(responderBytes, dstBytes)
	replace(initiatorPackets, either(has(srcPackets), skip, srcPackets))
	replace(responderPackets, dstPackets)

	settleTimes(version, meant, has, replace)
	if has(srcAddr4, srcAddr6) && has(dstAddr4, dstAddr6) {
		for k := ipSection; k <= frameType; k++ {
			replace(k, skip)
		}
	}

	if has(srcAddr4, dstAddr4) && has(srcAddr6, dstAddr6) {
		replace(srcAddr4, srcLate4)
		replace(dstAddr4, dstLate4)
		replace(srcAddr6, srcLate6)
		replace(dstAddr6, dstLate6)
	} else {
		replace(ipVersion, skip)
	}
}

// settleTimes prefers an absolute time to one since the exporter's start.
func settleTimes(version uint16, meant []kind, has func(...kind) bool, replace func(from, to kind)) {
	start := has(startSeconds, startMilliseconds, startMicroseconds, startNanoseconds, startDelta)
	end := has(endSeconds, endMilliseconds, endMicroseconds, endNanoseconds, endDelta)
	if start {
		replace(startUptime, skip)
	}
	if end {
		replace(endUptime, skip)
	}
	if (start || has(startUptime)) && (end || has(endUptime)) {
		replace(durationMilliseconds, skip)
		replace(durationMicroseconds, skip)
	}
	if version != versionV9 {
		replace(startUptime, startBoot)
		replace(endUptime, endBoot)
	}
	if !has(startBoot, endBoot) {
		replace(boot, skip)
	}
	// A firewall that says when a flow began says of an event only when it was: an end, if it is one.
	if start && !end && has(event) && !has(endUptime, endBoot) {
		return
	}
	if start || end || has(startUptime, endUptime, startBoot, endBoot) {
		for k := observedSeconds; k <= observedNanoseconds; k++ {
			replace(k, skip)
		}
	}
}
