package schema

import "errors"

// The wire form of a flow is goflow2's FlowMessage (protobuf), each message
// with its length before it as a varint, one or more to a Kafka record:
//
//	record  = 1*( length message )
//	length  = varint, bytes of the message
//	message = *( tag value ), any order, unknown tags skipped
//
// Numbers below 1000 are goflow2's (pb/flow.proto). Those from 1500 on are
// ours; goflow2's own readers skip them.
const (
	fieldType      = 1
	fieldSampling  = 3
	fieldSequence  = 4
	fieldSrcAddr   = 6
	fieldDstAddr   = 7
	fieldBytes     = 9
	fieldPackets   = 10
	fieldSampler   = 11
	fieldSrcAS     = 14
	fieldDstAS     = 15
	fieldSrcNet    = 16
	fieldDstNet    = 17
	fieldInIf      = 18
	fieldOutIf     = 19
	fieldProto     = 20
	fieldSrcPort   = 21
	fieldDstPort   = 22
	fieldTOS       = 23
	fieldForward   = 24
	fieldTTL       = 25
	fieldTCPFlags  = 26
	fieldEtype     = 30
	fieldICMPType  = 31
	fieldICMPCode  = 32
	fieldSrcVLAN   = 33
	fieldDstVLAN   = 34
	fieldDomain    = 70
	fieldReceived  = 110
	fieldFlowStart = 111
	fieldFlowEnd   = 112

	fieldReverseBytes   = 1500
	fieldReversePackets = 1501
	fieldReverseFlags   = 1502
	fieldInitiator      = 1503
	fieldOrientation    = 1504
	fieldSwapped        = 1505
	fieldEndReason      = 1506
	fieldEvent          = 1507
	fieldSrcCountry     = 1508 // the two letters, the first in the higher byte
	fieldDstCountry     = 1509
	fieldHints          = 1510
	fieldUntold         = 1511 // of Dst, and 4 bits higher of Src: one byte for a record of one direction
	fieldNATEvent       = 1512
	fieldEventReason    = 1513
)

// Protobuf wire types.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// ErrFlow is a message that is no flow. Its length was read, so what follows
// it in the record can still be read.
var ErrFlow = errors.New("malformed flow message")

// ErrFrame is a record whose next length runs past its end: the rest is lost.
var ErrFrame = errors.New("malformed flow record: a length runs past its end")
