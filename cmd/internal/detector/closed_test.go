package detector

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/scanhound/scanhound/schema"
)

func TestOnlyTheAlertsThatClosedLastAreKept(t *testing.T) {
	var c closedAlerts
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::")
	for i := range 3 * maxClosed / 2 {
		a := schema.Alert{ID: fmt.Sprint(i), Source: one}
		if i%2 == 1 {
			a.Source, a.Prefix = other, 64
		}
		c.add(&a)
	}
	if len(c.ring) != maxClosed || c.find("499") != nil || c.find("500") == nil || c.find("1499") == nil {
		t.Errorf("%d are kept", len(c.ring))
	}
	of := c.of(other, true)
	if len(of) != maxClosed/2 || of[0].id != "1499" || of[1].id != "1497" || of[len(of)-1].id != "501" {
		t.Errorf("%d of one network, from %s to %s", len(of), of[0].id, of[len(of)-1].id)
	}
	c.add(&schema.Alert{ID: "1000", Revision: 7, Source: one})
	if len(c.ring) != maxClosed || c.find("1000").revision != 7 || len(c.of(one, false)) != maxClosed/2 {
		t.Error("one that closed again is kept twice")
	}
	if len(c.of(other, false)) != 0 {
		t.Error("a network is taken for an address")
	}
}

func TestASubjectIsAnAddressANetworkOrAnAlert(t *testing.T) {
	for text, want := range map[string]Subject{
		"192.0.2.1":                        {Source: netip.MustParseAddr("192.0.2.1")},
		"2001:db8::1":                      {Source: netip.MustParseAddr("2001:db8::1")},
		"2001:db8::/64":                    {Source: netip.MustParseAddr("2001:db8::"), Net: true},
		"b518f0f86f8b2a916feb2784ca72ffab": {Alert: "b518f0f86f8b2a916feb2784ca72ffab"},
	} {
		var got Subject
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "me", "b518f0f86f8b", "192.0.2.0/24", "2001:db8::/48"} {
		if err := new(Subject).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
