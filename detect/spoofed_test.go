package detect_test

import (
	"testing"

	"github.com/scanhound/scanhound/schema"
)

func TestOnlyLoneSYNsOfOnePacketFromOutsideMayBeSpoofed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*schema.Flow)
		may    bool
	}{
		"lone SYNs":   {func(*schema.Flow) {}, true},
		"two packets": {func(f *schema.Flow) { f.Src.Packets = 2 }, false},
		"an RST too":  {func(f *schema.Flow) { f.Src.TCPFlags |= schema.RST }, false},
		"sampled":     {func(f *schema.Flow) { f.Exporter.Sampling = 2 }, false},
		"from inside": {func(f *schema.Flow) { f.Src.Addr = target(5000) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			flows := knocks(scanner, 1, 200, 0)
			for i := range flows {
				flows[i].Src.Packets = 1
				c.change(&flows[i])
			}
			alerts := alertsOf(t, newDetector(t, tens), flows)
			if len(alerts) == 0 {
				t.Fatal("no alert")
			}
			end := alerts[len(alerts)-1]
			if end.Spoofed != c.may {
				t.Errorf("%v: %d flows, %d packets, flags %v", end.Spoofed, end.Flows, end.Packets, end.Flags)
			}
			if end.Version != schema.AlertVersion || end.Time.Before(end.LastSeen) || end.Protocol != "tcp" || len(end.Tactics) != 1 || end.SeverityID == 0 {
				t.Errorf("%+v", end.Envelope)
			}
		})
	}
}
