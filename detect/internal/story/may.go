package story

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/scanhound/scanhound/schema"
)

// may is a line "1 hosts 1024 2.5%": what the last revision of the first alert says of hosts
// may be so far off the truth.
type may struct {
	alert  int
	what   string
	truth  uint64
	within float64 // a share of truth
	line   int
}

func parseMay(text string, line int) (m may, err error) {
	words := strings.Fields(text)
	if len(words) != 4 {
		return m, fmt.Errorf("%q: write the number of the alert, what is counted, the truth, and how far off: 1 hosts 1024 2.5%%", text)
	}
	m.line = line
	if m.alert, err = strconv.Atoi(words[0]); err != nil || m.alert < 1 {
		return m, fmt.Errorf("%q: give the number of an alert", words[0])
	}
	if m.what = words[1]; m.what != "hosts" && m.what != "ports" && m.what != "pairs" {
		return m, fmt.Errorf("%q: give hosts, ports or pairs", m.what)
	}
	if m.truth, err = strconv.ParseUint(words[2], 10, 32); err != nil || m.truth == 0 {
		return m, fmt.Errorf("%q: give the number that is true", words[2])
	}
	share, isShare := strings.CutSuffix(words[3], "%")
	if m.within, err = strconv.ParseFloat(share, 64); err != nil || !isShare || m.within <= 0 || m.within >= 100 {
		return m, fmt.Errorf("%q: give a tolerance such as 2.5%%", words[3])
	}
	m.within /= 100
	return m, nil
}

// holds reports whether a count is as near to the truth as it must be.
func (m *may) holds(c schema.Count) bool {
	return math.Abs(float64(c.Count)-float64(m.truth)) <= m.within*float64(m.truth)
}

// String is how the table has a count that holds.
func (m *may) String() string { return fmt.Sprintf("%d±%g%%", m.truth, m.within*100) }

// countOf is the count of an alert that the line is about.
func (m *may) countOf(a *schema.Alert) schema.Count {
	switch m.what {
	case "hosts":
		return a.Hosts
	case "ports":
		return a.Ports
	}
	return a.Pairs
}
