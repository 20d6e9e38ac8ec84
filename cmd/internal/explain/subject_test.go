package explain

import (
	"net/netip"
	"testing"
)

func TestASubjectIsAnAddressANetworkOrAnAlert(t *testing.T) {
	for text, want := range map[string]Subject{
		"192.0.2.1":                        {Source: netip.MustParseAddr("192.0.2.1")},
		"2001:db8::1":                      {Source: netip.MustParseAddr("2001:db8::1")},
		"2001:db8::/64":                    {Source: netip.MustParseAddr("2001:db8::"), Net: true},
		"b518f0f86f8b2a916feb2784ca72ffab": {Alert: "b518f0f86f8b2a916feb2784ca72ffab"},
		"b518f0f86f8b":                     {Alert: "b518f0f86f8b"},
	} {
		var got Subject
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "me", "b518f0f86f8", "b518f0f86f8b.", "192.0.2.0/24", "2001:db8::/48"} {
		if err := new(Subject).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestAnAlertIsMeantByTheDigitsThatTextsPrint(t *testing.T) {
	var q Subject
	if err := q.UnmarshalText([]byte("b518f0f86f8b.3")); err != nil || q.Alert != "b518f0f86f8b" {
		t.Fatalf("%+v, %v", q, err)
	}
	if !q.Is("b518f0f86f8b2a916feb2784ca72ffab") || q.Is("b518f0f86f8c2a916feb2784ca72ffab") || (Subject{}).Is("b518f0f86f8b2a916feb2784ca72ffab") {
		t.Error("another alert is meant")
	}
}
