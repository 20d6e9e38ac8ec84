package orient

import (
	"slices"

	"github.com/scanhound/scanhound/schema"
)

// services is a list of ports that is asked for each flow: most that it does not hold show at one bit.
type services struct {
	list []uint16
	low  [4]uint64 // a bit for the low byte of each
}

func newServices(list []uint16) services {
	s := services{list: list}
	for _, port := range list {
		s.low[port>>6&3] |= 1 << (port & 63)
	}
	return s
}

func (s *services) has(port uint16) bool {
	return s.low[port>>6&3]>>(port&63)&1 != 0 && slices.Contains(s.list, port)
}

// from is FromService.
func (s *services) from(f *schema.Flow) bool {
	return s.has(f.Src.Port) && mayAnswer(f) && !s.has(f.Dst.Port)
}
