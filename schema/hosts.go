package schema

import (
	"errors"
	"fmt"

	"github.com/axiomhq/hyperloglog"
)

// MergeHosts returns how many distinct hosts alerts touched together, by their
// HostsSketch: the scanners of one botnet, each of which takes a part of the
// network. A sketch is axiomhq's, of 2^12 registers: 1.6 % standard error.
func MergeHosts(sketches ...[]byte) (uint64, error) {
	var all *hyperloglog.Sketch
	for i, b := range sketches {
		s := new(hyperloglog.Sketch)
		if err := s.UnmarshalBinary(b); err != nil {
			return 0, fmt.Errorf("read hosts sketch %d: %w", i+1, err)
		}
		if all == nil {
			all = s
		} else if err := all.Merge(s); err != nil {
			return 0, fmt.Errorf("merge hosts sketch %d: %w", i+1, err)
		}
	}
	if all == nil {
		return 0, errors.New("no hosts sketch to merge")
	}
	return all.Estimate(), nil
}
