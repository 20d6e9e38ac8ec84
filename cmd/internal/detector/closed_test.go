package detector

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/explain"
	"github.com/scanhound/scanhound/schema"
)

func TestOnlyTheAlertsThatClosedLastAreKept(t *testing.T) {
	var c closedAlerts
	find := func(id string) *explain.Alert { return c.find(explain.Subject{Alert: id}) }
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::")
	for i := range 3 * maxClosed / 2 {
		a := schema.Alert{ID: fmt.Sprintf("%04d", i), Source: one}
		if i%2 == 1 {
			a.Source, a.Prefix = other, 64
		}
		c.add(&a)
	}
	if len(c.ring) != maxClosed || find("0499") != nil || find("0500") == nil || find("1499") == nil {
		t.Errorf("%d are kept", len(c.ring))
	}
	of := c.of(other, true)
	if len(of) != maxClosed/2 || of[0].ID != "1499" || of[1].ID != "1497" || of[len(of)-1].ID != "0501" {
		t.Errorf("%d of one network, from %s to %s", len(of), of[0].ID, of[len(of)-1].ID)
	}
	c.add(&schema.Alert{ID: "1000", Revision: 7, Source: one})
	if len(c.ring) != maxClosed || find("1000").Revision != 7 || len(c.of(one, false)) != maxClosed/2 {
		t.Error("one that closed again is kept twice")
	}
	if len(c.of(other, false)) != 0 {
		t.Error("a network is taken for an address")
	}
}
