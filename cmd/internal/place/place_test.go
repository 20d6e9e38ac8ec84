package place_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/scanhound/scanhound/cmd/internal/place"
	"github.com/scanhound/scanhound/schema"
)

// write replaces a file and moves its time on, which a second write within the
// clock's resolution would not.
func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Duration(len(content)) * time.Second)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
}

func database(t *testing.T, entries map[string]mmdbtype.Map) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for prefix, record := range entries {
		_, network, err := net.ParseCIDR(prefix)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(network, record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func country(key, code string) mmdbtype.Map {
	return mmdbtype.Map{mmdbtype.String(key): mmdbtype.Map{"iso_code": mmdbtype.String(code)}}
}

func TestFlowsAreAnnotatedAndAReplacedDatabaseTakesOver(t *testing.T) {
	dir := t.TempDir()
	cfg := place.Config{CountryDB: filepath.Join(dir, "country.mmdb"), ASDB: filepath.Join(dir, "as.mmdb")}
	write(t, cfg.CountryDB, database(t, map[string]mmdbtype.Map{
		"198.51.100.0/24": country("country", "CH"), "2001:db8::/32": country("registered_country", "CN"),
	}))
	write(t, cfg.ASDB, database(t, map[string]mmdbtype.Map{"198.51.100.0/24": {"autonomous_system_number": mmdbtype.Uint32(64500)}}))
	b, err := place.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a := b.NewAnnotator()
	flow := func() schema.Flow {
		var f schema.Flow
		f.Src.Addr, f.Dst.Addr = netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::1")
		f.Dst.AS = 64999
		return f
	}
	flows := []schema.Flow{flow(), {}}
	a.Annotate(flows)
	if f := flows[0]; f.Src.Country.String() != "CH" || f.Src.AS != 64500 || f.Dst.Country.String() != "CN" || f.Dst.AS != 64999 {
		t.Errorf("%+v", f)
	}
	if f := flows[1]; f.Src.Country.String() != "??" {
		t.Errorf("nowhere is in %s", f.Src.Country)
	}

	write(t, cfg.CountryDB, database(t, map[string]mmdbtype.Map{"198.51.0.0/16": country("country", "US")}))
	b.Refresh()
	flows = []schema.Flow{flow()}
	if a.Annotate(flows); flows[0].Src.Country.String() != "US" || flows[0].Dst.Country.String() != "??" {
		t.Errorf("after the file was replaced: %s, %s", flows[0].Src.Country, flows[0].Dst.Country)
	}

	write(t, cfg.CountryDB, []byte("half a database"))
	b.Refresh()
	flows = []schema.Flow{flow()}
	if a.Annotate(flows); flows[0].Src.Country.String() != "US" || b.Broken() != 1 {
		t.Errorf("after the file was broken: %s, %d broken", flows[0].Src.Country, b.Broken())
	}
}

func TestTheMostSpecificNetworkNamesTheSite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "networks.yaml")
	write(t, path, []byte("- prefix: 10.0.0.0/8\n  site: all\n- prefix: 10.1.0.0/16\n  site: berlin\n- prefix: 203.0.113.0/24\n  site: partner\n  internal: false\n- prefix: 2001:db8::/32\n  site: v6\n"))
	b, err := place.Open(place.Config{Networks: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"10.1.2.3": "berlin", "10.2.2.3": "all", "203.0.113.9": "partner", "192.0.2.1": "", "2001:db8::5": "v6", "::ffff:10.1.0.1": "berlin",
	} {
		if got := b.Site(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is in %q, want %q", addr, got, want)
		}
	}
	if got := b.Internal(); len(got) != 3 {
		t.Errorf("internal: %v", got)
	}
	write(t, path, []byte("- prefix: 10.0.0.0/8\n  site: new\n"))
	b.Refresh()
	if got := b.Site(netip.MustParseAddr("10.1.2.3")); got != "new" {
		t.Errorf("after the change: %q", got)
	}
}

func TestAWrongFileIsRefusedWithItsSettingAndWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"- prefix: 10.0.0.0/33\n":                        `line 1: entry 1: prefix: "10.0.0.0/33" is not accepted: want a network such as 10.0.0.0/8 or 2001:db8::/32`,
		"- prefix: 10.0.0.0/8\n\n- prefix: 10.9.9.9/8\n": "line 3: entry 2: 10.0.0.0/8 is listed twice: it stands in line 1 already",
		"- prefx: 10.0.0.0/8\n- site: berlin\n":          "line 1: entry 1: prefx is not known here; did you mean prefix?\nline 2: entry 2: prefix is missing: give a network such as 10.1.0.0/16",
		"- prefix: 10.0.0.0/8\n  internal: maybe\n":      `line 2: entry 1: internal: "maybe" is not accepted: want true or false`,
		"prefix: 10.0.0.0/8\n":                           "line 1: want a list of entries, each with prefix, site and internal",
	} {
		path := filepath.Join(t.TempDir(), "networks.yaml")
		write(t, path, []byte(text))
		_, err := place.Open(place.Config{Networks: path}, slog.New(slog.DiscardHandler))
		if want := "networks: read " + path + ": " + want; err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := place.Open(place.Config{CountryDB: "missing.mmdb"}, nil); err == nil || !strings.Contains(err.Error(), "country-db: ") {
		t.Errorf("a missing database: %v", err)
	}
}
