package netflow

import "github.com/scanhound/scanhound/schema/sflow"

// Stats are the counters of one decoder, or the sum of several. What adds up:
//
//	Datagrams                = the sum of Outcomes
//	Outcomes[UnknownVersion] = the sum of Versions
//	Sets.Seen                = Template + Data + NoTemplate + Reserved + Malformed
//	Records.Seen             = Flows + Options + NoAddress + NoTemplate + Overclaimed + Cut
//	Templates.Seen           = New + Refreshed + ZeroLength + TooLong + Malformed
//
// Records in a set without a template cannot be counted: its sets and bytes are, and what becomes of
// them is in [WaitingStats]. The packets of sFlow are among the records, beside [sflow.Stats].
type Stats struct {
	Datagrams uint64
	Outcomes  [outcomes]uint64
	Versions  Versions
	Sets      Sets
	Records   Records
	Templates Announced
	SFlow     sflow.Stats
	Trailing  uint64 // bytes behind the end that the header gives
}

// Versions counts the datagrams of unknown version by what they probably are.
type Versions struct {
	SFlow uint64 // versions 2 and 4
	V8    uint64
	Other uint64
}

// Sets counts the sets of v9 and IPFIX.
type Sets struct {
	Seen            uint64
	Template        uint64 // of templates or options templates
	Data            uint64 // with a known template
	NoTemplate      uint64 // it came before its template
	NoTemplateBytes uint64 // in those, for their records cannot be counted
	Reserved        uint64 // of an id that nobody has assigned
	Malformed       uint64 // shorter than its own header; what is behind it is lost too
	Truncated       uint64 // of the sets above: it says more than the datagram holds
}

// Records counts flow and options records.
type Records struct {
	Seen        uint64
	Flows       uint64
	Options     uint64
	NoAddress   uint64 // the template has no source or no destination address, the packet sampled no IP
	NoTemplate  uint64 // all in its lists came before its template, beside others that did not
	Overclaimed uint64 // a header of v1, v5 or v7 promised it
	Cut         uint64 // it runs past the end of its set, or of the bytes sampled
}

// Announced counts templates as they come; the same one comes again and again.
type Announced struct {
	Seen       uint64
	New        uint64 // unknown, or not as it was
	Refreshed  uint64 // as it was
	ZeroLength uint64 // refused: a record of it would have no bytes
	TooLong    uint64 // refused: a record of it would be longer than a set can be
	Malformed  uint64 // refused: it runs past its set, or has an impossible id
	Withdrawn  uint64 // not in Seen: IPFIX, by id or all at once
}

// Each calls yield with the name and the value of every counter, always in the same order.
func (s *Stats) Each(yield func(name string, v uint64)) {
	for _, c := range s.counters() {
		yield(c.name, *c.v)
	}
}

// Add adds what another decoder counted.
func (s *Stats) Add(o Stats) {
	theirs := o.counters()
	for i, c := range s.counters() {
		*c.v += *theirs[i].v
	}
}

type namedCounter struct {
	name string
	v    *uint64
}

func (s *Stats) counters() []namedCounter {
	all := make([]namedCounter, 0, 64)
	all = append(all, namedCounter{"datagrams", &s.Datagrams})
	for i := range s.Outcomes {
		all = append(all, namedCounter{"datagrams_" + Outcome(i).String(), &s.Outcomes[i]})
	}
	all = append(all,
		namedCounter{"version_sflow", &s.Versions.SFlow},
		namedCounter{"version_8", &s.Versions.V8},
		namedCounter{"version_other", &s.Versions.Other},
		namedCounter{"sets", &s.Sets.Seen},
		namedCounter{"sets_template", &s.Sets.Template},
		namedCounter{"sets_data", &s.Sets.Data},
		namedCounter{"sets_no_template", &s.Sets.NoTemplate},
		namedCounter{"sets_no_template_bytes", &s.Sets.NoTemplateBytes},
		namedCounter{"sets_reserved", &s.Sets.Reserved},
		namedCounter{"sets_malformed", &s.Sets.Malformed},
		namedCounter{"sets_truncated", &s.Sets.Truncated},
		namedCounter{"records", &s.Records.Seen},
		namedCounter{"records_flows", &s.Records.Flows},
		namedCounter{"records_options", &s.Records.Options},
		namedCounter{"records_no_address", &s.Records.NoAddress},
		namedCounter{"records_no_template", &s.Records.NoTemplate},
		namedCounter{"records_overclaimed", &s.Records.Overclaimed},
		namedCounter{"records_cut", &s.Records.Cut},
		namedCounter{"templates", &s.Templates.Seen},
		namedCounter{"templates_new", &s.Templates.New},
		namedCounter{"templates_refreshed", &s.Templates.Refreshed},
		namedCounter{"templates_zero_length", &s.Templates.ZeroLength},
		namedCounter{"templates_too_long", &s.Templates.TooLong},
		namedCounter{"templates_malformed", &s.Templates.Malformed},
		namedCounter{"templates_withdrawn", &s.Templates.Withdrawn},
		namedCounter{"trailing_bytes", &s.Trailing},
	)
	s.SFlow.Each(func(name string, v *uint64) { all = append(all, namedCounter{name, v}) })
	return all
}
