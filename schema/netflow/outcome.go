package netflow

// Outcome is what became of one datagram. The worse ones come later: a datagram that meets several
// gets the last of them. Flows may have been decoded before the trouble, or behind it.
type Outcome uint8

// The outcomes.
const (
	Decoded        Outcome = iota // all of it was understood
	Empty                         // a header and nothing behind it
	NoTemplate                    // a data set came before its template
	Truncated                     // a length or a count says more than the bytes hold
	Malformed                     // a set or a template that cannot be
	Short                         // not even a header
	Foreign                       // it begins like a version of ours, and is none: DNS, TFTP, ...
	UnknownVersion                // neither NetFlow v1, v5, v7 or v9, nor IPFIX, nor sFlow v5

	outcomes = iota
)

var outcomeNames = [outcomes]string{"decoded", "empty", "no_template", "truncated", "malformed", "short", "foreign", "unknown_version"}

// String returns the name that metrics use.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}
