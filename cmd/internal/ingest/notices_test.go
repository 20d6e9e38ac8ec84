package ingest

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/internal/defaults"
	"github.com/scanhound/scanhound/schema/netflow"
)

var (
	turnedTemplate = ipfixSet(2, []byte{1, 0, 0, 2, 0, 12, 0, 4, 0, 8, 0, 4}) // 256: destination and source
	otherTemplate  = ipfixSet(2, []byte{1, 0, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 4, 0, 1})
	emptyTemplate  = ipfixSet(2, []byte{1, 0, 0, 1, 0, 8, 0, 0}) // its records have no bytes
	brokenSet      = func() []byte {
		b := ipfixSet(256, nil)
		binary.BigEndian.PutUint16(b[18:], 3)
		return b
	}()
)

// templated is ingest with one worker, without Kafka, and what it logs.
type templated struct {
	*Ingest
	w   *worker
	log bytes.Buffer
}

func newTemplated(change func(*Config)) *templated {
	x := &templated{Ingest: &Ingest{cfg: defaults.Of[Config]()}}
	if change != nil {
		change(&x.cfg)
	}
	x.templates = netflow.NewTemplates(x.cfg.NetFlow)
	x.w = testWorker(x.templates, &x.cfg)
	x.w.notices.log = slog.New(slog.NewTextHandler(&x.log, nil))
	x.workers = []*worker{x.w}
	return x
}

// lines returns what was logged since it was asked last.
func (x *templated) lines() []string {
	defer x.log.Reset()
	return strings.FieldsFunc(x.log.String(), func(r rune) bool { return r == '\n' })
}

func (x *templated) page(t *testing.T, path string) string {
	t.Helper()
	s := service.New("ingest", slog.New(slog.DiscardHandler))
	x.registerExporters(s)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String()
}

func want(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("want %q in:\n%s", p, text)
		}
	}
}

func TestARestartedExporterIsLoggedOnceAndIsNoTrouble(t *testing.T) {
	x := newTemplated(nil)
	for i, b := range [][]byte{addressesTemplate, addressesTemplate, otherTemplate, otherTemplate, otherTemplate} {
		say(x.w, router, time.Duration(i)*time.Second, b)
	}
	lines := x.lines()
	if got := x.Exporters()[0].Templates; got.Changed != 1 || got.Flapping != 0 || len(lines) != 1 {
		t.Fatalf("%+v, logged %q", got, lines)
	}
	want(t, lines[0], "level=INFO", "changed a template", "exporter=192.0.2.1 port=50000 version=10 domain=0", "template=256", "fields=\\+4:1")
}

func TestTwoExportersBehindOneAddressAreSaidToBe(t *testing.T) {
	x := newTemplated(nil)
	for i := range 40 { // 200 s
		say(x.w, router, time.Duration(i)*5*time.Second, [][]byte{addressesTemplate, turnedTemplate}[i%2])
	}
	lines := x.lines()
	if got := x.Exporters()[0].Templates; got.Changed != 39 || got.Flapping != 37 {
		t.Errorf("%+v, want 39 changes, 37 of them flapping", got)
	}
	if len(lines) != 5 { // one of the first change, then one a minute
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	want(t, lines[1], "level=WARN", "two exporters seem to send from one address", "exporter=192.0.2.1", "domain=0", "template=256", "times=3", "the same fields in another order")
}

func TestWhatWasRefusedIsOnThePageInTheMetricsAndInTheLog(t *testing.T) {
	x := newTemplated(func(c *Config) { c.Exporters.Names = map[string]string{"192.0.2.1": "edge"} })
	for i, b := range [][]byte{addressesTemplate, turnedTemplate, addressesTemplate, turnedTemplate, emptyTemplate, emptyTemplate, emptyTemplate, emptyTemplate, emptyTemplate, brokenSet, brokenSet} {
		say(x.w, router, time.Duration(i)*time.Second, b)
	}
	say(x.w, netip.MustParseAddr("192.0.2.2"), 0, emptyTemplate)
	log := strings.Join(x.lines(), "\n")
	want(t, log, "level=WARN msg=\"a template was refused.* exporter=192.0.2.1 .* name=edge template=256 why=\"a record of it would have no bytes\"",
		"level=WARN msg=\"a set was refused.* set=256 why=\"it is shorter than its own header\"", "exporter=192.0.2.2")
	want(t, x.page(t, "/exporters"), `sets refused  last seen`, `192\.0\.2\.1 +edge .* 3 +1 +5 +2 +2026`, `192\.0\.2\.2 +- .* 0 +0 +1 +0 +2026`)
	want(t, x.page(t, "/metrics"),
		`exporter_templates_changed_total{exporter="edge"} 3\n`, `exporter_templates_flapping_total{exporter="edge"} 1\n`,
		`exporter_templates_refused_total{exporter="edge"} 5\n`, `exporter_templates_refused_total{exporter="unnamed"} 1\n`,
		`exporter_sets_refused_total{exporter="edge"} 2\n`)
}

func TestWhatAnotherIngestHeardIsOnTheAccountOfItsExporter(t *testing.T) {
	x := newTemplated(func(c *Config) { c.Exporters.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	x.templates.OnLoad(x.loaded)
	other := netflow.NewTemplates(netflow.Config{})
	other.OnChange(func(k, v []byte) { x.learn(k, v) })
	d := netflow.NewDecoder(other, netflow.Config{})
	stranger := netip.MustParseAddr("198.51.100.1")
	for i, b := range [][]byte{addressesTemplate, turnedTemplate} {
		for _, from := range []netip.Addr{router, stranger} {
			d.DecodeFrom(nil, netip.AddrPortFrom(from, 4000), noon.Add(time.Duration(i)*time.Second), b)
		}
	}
	all := x.Exporters()
	if len(all) != 1 || all[0].Addr != router || all[0].Templates.Changed != 1 || all[0].Datagrams != 0 || x.w.exporters.refused != 0 {
		t.Errorf("%+v, want one change of %v", all, router)
	}
	if lines := x.lines(); len(lines) != 1 || !strings.Contains(lines[0], "exporter=192.0.2.1 port=4000") {
		t.Errorf("logged %q", lines)
	}
	want(t, x.page(t, "/exporters"), `192\.0\.2\.1 .* 1 +0 +0 +0 +never`)
}

// Who forges addresses fills neither the memory nor the log.
func TestNoticesOfAHundredThousandExportersAreBoundedAndAddUp(t *testing.T) {
	const exporters = 100_000
	x := newTemplated(func(c *Config) { c.NetFlow.MaxTemplates = 5000 })
	for i := range exporters {
		from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		for _, b := range [][]byte{addressesTemplate, turnedTemplate, emptyTemplate, brokenSet} {
			say(x.w, from, time.Duration(i)*time.Millisecond, b) // 100 s
		}
	}
	var sum TemplateAccount
	all := x.Exporters()
	for i := range all {
		sum.add(&all[i].Templates)
	}
	if sum.Changed != exporters || sum.Refused != exporters || sum.Sets != exporters || sum.Flapping != 0 {
		t.Errorf("%+v, want %d of each", sum, exporters)
	}
	if len(x.w.exporters.ring) != maxExporters || x.templates.Stats().Held > 5000 {
		t.Errorf("%d accounts, %d templates", len(x.w.exporters.ring), x.templates.Stats().Held)
	}
	lines := x.lines()
	if len(lines) <= noticesAtOnce || len(lines) > 2*noticesAtOnce { // 100 s
		t.Fatalf("%d lines of %d exporters, want at most %d", len(lines), exporters, 2*noticesAtOnce)
	}
	want(t, lines[noticesAtOnce], "not_logged_before=[1-9]")
}

func TestAFloodOfNoticesHidesNoExporterWithAName(t *testing.T) {
	x := newTemplated(func(c *Config) { c.Exporters.Names = map[string]string{"192.0.2.1": "edge"} })
	for i := range 2 * noticesAtOnce {
		say(x.w, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 0, emptyTemplate)
	}
	say(x.w, router, 0, emptyTemplate)
	lines := x.lines()
	if len(lines) != noticesAtOnce+1 {
		t.Fatalf("%d lines, want %d and one of the exporter with a name", len(lines), noticesAtOnce)
	}
	want(t, lines[noticesAtOnce], "name=edge")
}
