package detect

import (
	"net/netip"
	"testing"
	"unsafe"
)

func TestWhatASuspectTakesIsWhatTheBudgetCounts(t *testing.T) {
	// Beside the suspect: its places in the lists, and an exporter or two.
	took := int(unsafe.Sizeof(suspect{})) + 2*int(unsafe.Sizeof(uintptr(0))) + 2*int(unsafe.Sizeof(netip.Addr{}))
	if took > suspectSize*6/5 || took < suspectSize*4/5 {
		t.Errorf("a suspect takes %d bytes, suspectSize is %d", took, suspectSize)
	}
	t.Logf("suspect %d, evidence %d, scan %d, footprint %d", unsafe.Sizeof(suspect{}), unsafe.Sizeof(evidence{}), unsafe.Sizeof(scan{}), unsafe.Sizeof(footprint{}))
}
