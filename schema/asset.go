package schema

// Touched is which of the assets that an operator listed the scan has reached for.
type Touched struct {
	Assets      []Asset `json:"assets,omitempty"` // the most critical first, at most 16
	AssetsCount uint32  `json:"assets_count,omitempty"`
}

// Asset is a host or a network that matters, and who answers for it.
type Asset struct {
	Name        string   `json:"name"`
	Owner       string   `json:"owner,omitempty"`
	Role        string   `json:"role,omitempty"`
	Criticality Severity `json:"criticality"`
}

// Step returns the severity that is so many steps more, at most High: Critical is
// for who got in.
func (s Severity) Step(n int) Severity {
	if r := s.rank(); r > 0 && s != Critical {
		return severities[min(r-1+n, len(severities)-2)]
	}
	return s
}

// Compare orders severities, the least first.
func (s Severity) Compare(t Severity) int { return s.rank() - t.rank() }
