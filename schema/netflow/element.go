package netflow

// kind is what a field means to us; skip is most of them.
type kind uint8

const (
	skip kind = iota
	srcBytes
	dstBytes
	srcPackets
	dstPackets
	srcFlags
	dstFlags
	srcFlagsToo // ORed to what there is
	dstFlagsToo
	proto
	tos
	ttl
	srcPort
	dstPort
	srcPortToo // unless zero
	dstPortToo
	srcAddr4
	dstAddr4
	srcAddr6
	dstAddr6
	srcMask
	dstMask
	srcInterface
	dstInterface
	srcAS
	dstAS
	srcVLAN
	dstVLAN
	icmp
	icmpType
	icmpCode
	forward
	endReason
	event
	natEvent
	eventReason
	direction
	startSeconds
	endSeconds
	startMilliseconds
	endMilliseconds
	startMicroseconds
	endMicroseconds
	startNanoseconds
	endNanoseconds
	startDelta
	endDelta
	startUptime // since the start of the exporter, v9: its header has the uptime
	endUptime

	// Two fields that stand beside each other, as they mostly do; see pairs.
	bothAddr4
	bothPorts
	bothInterfaces
	bothAS
	bothMasks
	startEndUptime
	endStartUptime

	// What needs more than one field; see late.go.
	lateKinds
	startBoot // startUptime in IPFIX
	endBoot
	boot
	observedSeconds
	observedMilliseconds
	observedMicroseconds
	observedNanoseconds
	durationMilliseconds
	durationMicroseconds
	ipVersion
	srcLate4 // srcAddr4 where the template has both families
	dstLate4
	srcLate6
	dstLate6

	// What stands for addresses; see section.go and lists.go. The first of them are of octets, not numbers.
	ipSection
	frameSection
	subList
	subMultiList
	octetKinds
	sectionOffset
	sectionOctets
	frameSize
	frameType

	sampler
	interval
	packetInterval
	packetSpace
	sampleSize
	samplePopulation

	// What compile replaces by one of the above, or by skip.
	totalBytes
	totalPackets
	outBytes
	outPackets
	initiatorBytes
	responderBytes
	initiatorPackets
	responderPackets
	kinds
)

// Private enterprise numbers.
const (
	penReverse = 29305 // RFC 5103: the IANA element of this number, of the other direction
	penCERT    = 6871  // yaf
)

// elements are those of https://www.iana.org/assignments/ipfix that we use.
var elements = [...]kind{
	1: srcBytes, 2: srcPackets, 4: proto, 5: tos, 6: srcFlags,
	7: srcPort, 8: srcAddr4, 9: srcMask, 10: srcInterface,
	11: dstPort, 12: dstAddr4, 13: dstMask, 14: dstInterface,
	16: srcAS, 17: dstAS, 21: endUptime, 22: startUptime, 23: outBytes, 24: outPackets,
	27: srcAddr6, 28: dstAddr6, 29: srcMask, 30: dstMask,
	32: icmp, 34: interval, 48: sampler, 50: interval, 52: ttl, 53: ttl,
	58: srcVLAN, 59: dstVLAN, 60: ipVersion, 85: totalBytes, 86: totalPackets, 89: forward,
	102: sectionOffset, 103: sectionOctets, 104: frameSection, // Cisco's, of v9
	136: endReason, 139: icmp,
	150: startSeconds, 151: endSeconds, 152: startMilliseconds, 153: endMilliseconds,
	154: startMicroseconds, 155: endMicroseconds, 156: startNanoseconds, 157: endNanoseconds,
	158: startDelta, 159: endDelta, 160: boot, 161: durationMilliseconds, 162: durationMicroseconds,
	176: icmpType, 177: icmpCode, 178: icmpType, 179: icmpCode,
	180: srcPortToo, 181: dstPortToo, 182: srcPortToo, 183: dstPortToo,
	192: ttl, 230: natEvent, 231: initiatorBytes, 232: responderBytes, 233: event, 239: direction,
	243: srcVLAN, 254: dstVLAN, 298: initiatorPackets, 299: responderPackets,
	292: subList, 293: subMultiList, 302: sampler, 305: packetInterval, 306: packetSpace, 309: sampleSize, 310: samplePopulation,
	312: frameSize, 313: ipSection, 315: frameSection,
	322: observedSeconds, 323: observedMilliseconds, 324: observedMicroseconds, 325: observedNanoseconds,
	408: frameType, 409: sectionOffset, 410: sectionOctets,
}

// pairs are fields of one length that often follow each other: one op for two takes half the time.
var pairs = [...]struct {
	first, second kind
	length        int
	both          kind
}{
	{srcAddr4, dstAddr4, 4, bothAddr4},
	{srcPort, dstPort, 2, bothPorts},
	{srcInterface, dstInterface, 4, bothInterfaces},
	{srcAS, dstAS, 4, bothAS},
	{srcMask, dstMask, 1, bothMasks},
	{startUptime, endUptime, 4, startEndUptime},
	{endUptime, startUptime, 4, endStartUptime},
}

// What only Cisco ASA sends, in v9: its firewall event before that had an IANA number, and why.
const (
	eventASA    = 40005
	extendedASA = 33002
)

// ofASA reports whether f is of a security event of Cisco ASA. Those are of connections, not of one
// direction: the source is who opened it, or tried to.
func ofASA(version uint16, f Field) bool {
	return version == versionV9 && !f.Scope && (f.ID == eventASA || f.ID == extendedASA)
}

// kindOf says what a field means, and whether it is of the reverse direction.
func kindOf(version uint16, f Field) (k kind, reverse bool) {
	switch {
	case f.Scope && version == versionV9:
		if f.ID == 2 { // the scopes of v9 are not elements: system, interface, line card, cache, template
			return srcInterface, false
		}
		return skip, false
	case f.Enterprise == penReverse:
		return reversed(f.ID), true
	case f.Enterprise == penCERT:
		return ofCERT(f.ID), false
	case f.Enterprise != 0:
		return skip, false
	case int(f.ID) < len(elements):
		return elements[f.ID], false
	case version == versionV9 && f.ID == eventASA:
		return event, false
	case version == versionV9 && f.ID == extendedASA:
		return eventReason, false
	}
	return skip, false
}

// reversed are the elements that RFC 5103 exporters send for the way back.
func reversed(id uint16) kind {
	switch id {
	case 1, 85:
		return dstBytes
	case 2, 86:
		return dstPackets
	case 6:
		return dstFlags
	}
	return skip
}

// ofCERT are yaf's flags of the first packet and of all others, and the same of the way back.
func ofCERT(id uint16) kind {
	switch id {
	case 14, 15:
		return srcFlagsToo
	case 14 | 1<<14, 15 | 1<<14:
		return dstFlagsToo
	}
	return skip
}

// fits reports whether a field of this length can hold k.
func (k kind) fits(length uint16) bool {
	switch k {
	case srcAddr4, dstAddr4:
		return length == 4 || length == variable
	case srcAddr6, dstAddr6:
		return length == 16 || length == variable
	case startMicroseconds, endMicroseconds, startNanoseconds, endNanoseconds, observedMicroseconds, observedNanoseconds:
		return length == 8 || length == variable
	}
	return length > 0
}

// octets reports whether a value is taken as it is.
func (k kind) octets() bool { return k >= ipSection && k < octetKinds }

// size is the only length that the value may have in a record, 0 if any will do.
func (k kind) size() int {
	switch k {
	case srcAddr4, dstAddr4, srcLate4, dstLate4:
		return 4
	case srcAddr6, dstAddr6, srcLate6, dstLate6:
		return 16
	}
	return 0
}
