package flowfile

import (
	"net/netip"
	"time"

	"github.com/scanhound/scanhound/schema"
)

// VAST 2013 Mini-Challenge 3 has 19 columns, in the files as they were given
// out under names in full (firstSeenDestPort), in the tables that people made
// of them in small letters or with the last letter lost (firstSeenDestPor), and
// in what a query returns without a header.
//
//   - TimeSeconds is the time of the last packet, in UTC, with more digits than
//     it means: it is rounded to microseconds, as dateTimeStr is.
//   - One line has both directions. Who began is left open, because the
//     collector turned flows round: seen first means little.
//   - Bytes are those with headers, Ethernet's too.
//   - A record of which more follow was ended by a timeout (reason 2); one that
//     was forced out, by force (reason 4).

// vastColumns is the order of a file without a header.
const vastColumns = "TimeSeconds,parsedDate,dateTimeStr,ipLayerProtocol,ipLayerProtocolCode,firstSeenSrcIp,firstSeenDestIp," +
	"firstSeenSrcPort,firstSeenDestPort,moreFragments,contFragments,durationSeconds,firstSeenSrcPayloadBytes,firstSeenDestPayloadBytes," +
	"firstSeenSrcTotalBytes,firstSeenDestTotalBytes,firstSeenSrcPacketCount,firstSeenDestPacketCount,recordForceOut"

// flowEndReason, IPFIX element 136.
const (
	endedActive = 2 // lasts on: reported in pieces
	endedForced = 4
)

// vastRow is one line of it.
type vastRow struct {
	*schema.Flow
	sport, dport []byte
	duration     time.Duration
	more, forced uint32
}

func vastTable() table[vastRow] {
	type row = vastRow
	src := func(r *row) *schema.Side { return &r.Src }
	dst := func(r *row) *schema.Side { return &r.Dst }
	return table[row]{
		{"timeseconds", true, into(func(r *row) *schema.Time { return &r.End }, parseTime)},
		{"iplayerprotocol", true, into(func(r *row) *uint8 { return &r.Proto }, parseProto)},
		{"firstseensrcip", true, into(func(r *row) *netip.Addr { return &r.Src.Addr }, parseAddr)},
		{"firstseendestip", true, into(func(r *row) *netip.Addr { return &r.Dst.Addr }, parseAddr)},
		{"firstseensrcport firstseensrcpor", true, into(func(r *row) *[]byte { return &r.sport }, asText)},
		{"firstseendestport firstseendestpor", true, into(func(r *row) *[]byte { return &r.dport }, asText)},
		{"morefragments morefragment", false, into(func(r *row) *uint32 { return &r.more }, parseNumber[uint32])},
		{"durationseconds durationsecond", false, into(func(r *row) *time.Duration { return &r.duration }, parseSpan)},
		{"firstseensrctotalbytes firstseensrctotalbyte", false, bytesOf(src)},
		{"firstseendesttotalbytes firstseendesttotalbyte", false, bytesOf(dst)},
		{"firstseensrcpacketcount firstseensrcpacketcoun", false, packetsOf(src)},
		{"firstseendestpacketcount firstseendestpacketcoun", false, packetsOf(dst)},
		{"recordforceout", false, into(func(r *row) *uint32 { return &r.forced }, parseNumber[uint32])},
	}
}

// isVAST knows the header, or the first line where there is none.
func isVAST(line []byte) bool {
	if isName(line) {
		_, ok := vastTable().plan(line, ',')
		return ok
	}
	return isRow(vastTable().mustPlan(vastColumns), vastRow{Flow: new(schema.Flow)}, line)
}

func readVAST(r *Reader, in *input, give func([]schema.Flow) bool) error {
	t := vastTable()
	p := t.mustPlan(vastColumns)
	var row vastRow
	return readLines(r, in, give, func(line []byte, f *schema.Flow) (lineKind, error) {
		if isName(line) {
			if next, ok := t.plan(line, ','); ok {
				p = next
				return aHeader, nil
			}
		}
		*f = nothingTold()
		row = vastRow{Flow: f}
		if err := p.read(line, &row); err != nil {
			return aFlow, err
		}
		return aFlow, row.finish()
	})
}

func (r *vastRow) finish() error {
	if err := setPorts(r.Flow, r.sport, r.dport); err != nil {
		return err
	}
	const unit = schema.Time(time.Microsecond)
	r.End = (r.End + unit/2) / unit * unit
	r.Start = r.End.Add(-r.duration)
	switch {
	case r.forced != 0:
		r.EndReason = endedForced
	case r.more != 0:
		r.EndReason = endedActive
	}
	return settle(r.Flow)
}
