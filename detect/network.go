package detect

import (
	"net/netip"

	"github.com/scanhound/scanhound/schema"
)

// network is what is known beyond one source, for the guards and for severity. Its
// tables are fixed: see internal/lossy.
type network struct {
	*moment
	*policy
	outages    outages
	knownGood  knownGood
	responders responders
	visits     visits
	scalings   map[netip.Addr]scaling // of sampled exporters
	sendsFlags map[netip.Addr]bool    // exporters that have sent TCP flags
	flagged    netip.Addr             // the last of them
	views      map[viewKey]*view      // what exporters show
	viewed     viewKey                // the last of them
	view       *view                  // of that
}

// knowsFlags reports whether f's exporter has sent TCP flags, and learns it. One that
// nobody names, such as a file's, is never known to, nor is a record whose template has
// no flags.
func (n *network) knowsFlags(f *schema.Flow) bool {
	if f.Proto != schema.TCP || !f.Exporter.Addr.IsValid() || f.Src.Untold&f.Dst.Untold&schema.UntoldFlags != 0 {
		return false
	}
	if f.Exporter.Addr == n.flagged || n.sendsFlags[f.Exporter.Addr] {
		n.flagged = f.Exporter.Addr
		return true
	}
	if f.Src.TCPFlags|f.Dst.TCPFlags == 0 || len(n.sendsFlags) >= maxExportersKnown {
		return false
	}
	n.sendsFlags[f.Exporter.Addr] = true
	n.flagged = f.Exporter.Addr
	return true
}

// maxExportersKnown bounds what is learned of exporters; a spoofed flood of
// them only costs the ability to see a NULL scan.
const maxExportersKnown = 4096
