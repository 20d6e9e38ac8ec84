package cases_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/cases"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/stream"
	"github.com/scanhound/scanhound/stream/embedded"
)

func id(n int) string { return fmt.Sprintf("%016x%016x", uint64(n)*0x9e3779b97f4a7c15, n) }

func alert(n, revision int) schema.Alert {
	at := time.Date(2026, 11, 27, 8, 0, revision, 0, time.UTC)
	return schema.Alert{
		ID: id(n), Revision: uint32(revision), State: schema.Update, Kind: schema.Vertical, Severity: schema.High, Reason: fmt.Sprint("revision ", revision),
		Source: netip.MustParseAddr("198.51.100.7"), FirstSeen: at, LastSeen: at,
		Scale: schema.Scale{Ports: schema.Count{Count: 1, Exact: true}},
	}
}

// store has three revisions of each of n alerts.
func store(t *testing.T, n int) cases.Store {
	t.Helper()
	server, err := embedded.NATS(embedded.NATSConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	cfg := defaults.Of[stream.NATSConfig]()
	cfg.URL = []string{server.URL()}
	conn, err := stream.DialNATS(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.EnsureStream(t.Context()); err != nil {
		t.Fatal(err)
	}
	var list []stream.RawAlert
	for revision := range 3 {
		for i := range n {
			a := alert(i+1, revision+1)
			data, err := schema.AppendAlert(nil, &a)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := stream.ReadAlert(data)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, raw)
		}
	}
	if err := conn.Publisher("lab").Publish(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	return cases.Store{JS: conn.JetStream(), Name: schema.AlertStream}
}

func TestTheNewestRevisionOfEachAlertIsRead(t *testing.T) {
	s := store(t, 300)
	seen := map[string]uint32{}
	if err := s.Last(t.Context(), func(a *schema.Alert) error {
		if seen[a.ID] != 0 {
			t.Errorf("%s comes twice", a.ID)
		}
		seen[a.ID] = a.Revision
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if seen[id(i+1)] != 3 {
			t.Errorf("%s: revision %d, want 3", id(i+1), seen[id(i+1)])
		}
	}
	if err := store(t, 0).Last(t.Context(), func(*schema.Alert) error { t.Error("an alert of an empty stream"); return nil }); err != nil {
		t.Error(err)
	}
}

func TestTwelveDigitsFindAnAlert(t *testing.T) {
	s := store(t, 40)
	for _, ask := range []string{id(7), id(7)[:12], id(7)[:12] + ".2", "[" + id(7)[:12] + ".3]", strings.ToUpper(id(7)[:20])} {
		if a, err := s.Get(t.Context(), ask); err != nil || a.ID != id(7) || a.Revision != 3 {
			t.Errorf("%s: %+v, %v", ask, a, err)
		}
	}
	for ask, says := range map[string]string{"0123456789ab": "no such alert", "0123": "give 12 hex digits", "": "give 12 hex digits", "alerts.>": "give 12 hex digits"} {
		if _, err := s.Get(t.Context(), ask); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", ask, err, says)
		}
	}
}

func TestFiltersAreNfdumps(t *testing.T) {
	six := netip.MustParseAddr("2001:db8::")
	port := func(proto string, ports ...uint16) (all []schema.PortCount) {
		for _, p := range ports {
			all = append(all, schema.PortCount{Port: p, Proto: proto})
		}
		return all
	}
	tests := map[string]schema.Alert{
		"src ip 198.51.100.7 and proto tcp and dst port 22":                                     {Scale: schema.Scale{Ports: schema.Count{Count: 1}}, Evidence: schema.Evidence{TopPorts: port("TCP", 22)}},
		"src ip 198.51.100.7 and ((proto udp and dst port 53) or (proto udp and dst port 123))": {Scale: schema.Scale{Ports: schema.Count{Count: 2}}, Evidence: schema.Evidence{TopPorts: port("UDP", 53, 123)}},
		"src ip 198.51.100.7":                             {Scale: schema.Scale{Ports: schema.Count{Count: 400}}, Evidence: schema.Evidence{TopPorts: port("TCP", 22)}},
		"src net 2001:db8::/64":                           {Source: six, Prefix: 64, Scale: schema.Scale{Ports: schema.Count{Count: 400}}},
		"src ip 2001:db8:: and proto tcp and dst port 80": {Source: six, Scale: schema.Scale{Ports: schema.Count{Count: 1}}, Evidence: schema.Evidence{TopPorts: port("TCP", 80)}},
	}
	for want, a := range tests {
		if !a.Source.IsValid() {
			a.Source = netip.MustParseAddr("198.51.100.7")
		}
		if got := cases.Filter(&a); got != want {
			t.Errorf("filter %q, want %q", got, want)
		}
	}
	nfdump, err := exec.LookPath("nfdump")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no nfdump here to read them")
	}
	for filter := range tests {
		if out, err := exec.Command(nfdump, "-Z", filter).CombinedOutput(); err != nil {
			t.Errorf("nfdump does not take %q: %v\n%s", filter, err, out)
		}
	}
}

func TestATicketSaysWhatAnAnalystAsks(t *testing.T) {
	a := alert(7, 3)
	a.Severity, a.Answered = schema.Critical, []schema.Endpoint{{Addr: netip.MustParseAddr("10.1.0.9"), Port: 22, Proto: "TCP"}}
	ports := schema.Footprint{Of: schema.FootprintPorts, Prefix: netip.MustParsePrefix("10.1.0.9/32"), Proto: "TCP"}
	ports.SetNumbers([]schema.FootprintWord{{At: 0, Bits: ^uint64(0)}, {At: 1023, Bits: 1 << 63}})
	a.Footprint = []schema.Footprint{ports}
	var b strings.Builder
	cases.Ticket(&b, &a)
	lines := strings.Split(b.String(), "\n")
	for _, want := range []string{"GOT IN    a session with 10.1.0.9 TCP/22", "severity  critical, ", "alert     " + a.ID + ", revision 3, update", "TCP ports of 10.1.0.9: 65; a place is 64 ports"} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("no line begins with %q in\n%s", want, b.String())
		}
	}
	first := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "          0 │") })
	if first < 0 || !strings.HasPrefix(lines[first], "          0 │░") || !strings.HasSuffix(lines[first+15], "░│") {
		t.Errorf("the map is\n%s", strings.Join(lines[max(first, 0):], "\n"))
	}
}

func TestARowHasAsManyFieldsAsColumns(t *testing.T) {
	a := alert(1, 1)
	a.Site = "=cmd|' /C calc'!A0"
	if row := cases.Row(&a); len(row) != len(cases.Columns) || !slices.Contains(row, "'"+a.Site) {
		t.Errorf("%q", row)
	}
}
