package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/encoding/json"
)

// serving runs a service with an admin port while check looks at it.
func serving(t *testing.T, s *Service, check func(url string)) {
	t.Helper()
	s.config.Admin = netip.MustParseAddrPort("127.0.0.1:0")
	err := s.Serve(t.Context(), Stage{"check", func(context.Context) error {
		check("http://" + s.Admin().String())
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
}

// get asks over a connection of its own, so that none is left idle.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(text)
}

// ask asks without a port.
func ask(s *Service, path string) (status int, body string) {
	return askFrom(s, "127.0.0.1:40000", path)
}

func askFrom(s *Service, client, path string) (status int, body string) {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = client
	s.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// wantMetrics wants each line to be in what is scraped.
func wantMetrics(t *testing.T, s *Service, want string) {
	t.Helper()
	_, got := ask(s, "/metrics")
	for line := range strings.Lines(strings.TrimSpace(want)) {
		if line = strings.TrimSpace(line); !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, strings.Join(grep(got, "scanhound_"), "\n"))
		}
	}
}

func grep(text, part string) (found []string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func TestTheAdminPortTellsLifeReadinessAndVersion(t *testing.T) {
	s := quiet()
	serving(t, s, func(url string) {
		if status, body := get(t, url+"/livez"); status != 200 || body != "alive\n" {
			t.Errorf("/livez: %d %q", status, body)
		}
		if status, body := get(t, url+"/readyz"); status != 200 || body != "ready\n" {
			t.Errorf("/readyz: %d %q", status, body)
		}
		if status, body := get(t, url+"/metrics"); status != 200 || !strings.Contains(body, "go_goroutines") || !strings.Contains(body, "process_open_fds") {
			t.Errorf("/metrics: %d %q", status, body)
		}
		if status, _ := get(t, url+"/nothing"); status != 404 {
			t.Errorf("/nothing: %d", status)
		}
		_, body := get(t, url+"/version")
		var version struct{ Program, Version, Revision, Go string }
		if err := json.Unmarshal([]byte(body), &version); err != nil || version.Program != "sample" || version.Go != Version().Go {
			t.Errorf("/version: %v in %s", err, body)
		}
	})
}

func TestNotReadySaysWhyOneLineAReason(t *testing.T) {
	s := quiet()
	broker := errors.Join(errors.New("a:9092 refuses"), errors.New("b:9092 is silent"))
	s.Ready("kafka", func() error { return broker })
	s.Ready("templates", func() error { return nil })
	serving(t, s, func(url string) {
		status, body := get(t, url+"/readyz")
		if want := "kafka: a:9092 refuses; b:9092 is silent\n"; status != 503 || body != want {
			t.Errorf("%d %q, want %q", status, body, want)
		}
		broker = nil
		if status, _ := get(t, url+"/readyz"); status != 200 {
			t.Errorf("%d after it came back", status)
		}
	})
}

func TestAServiceIsAliveButNotReadyWhileItStartsAndStops(t *testing.T) {
	s := quiet()
	if status, body := ask(s, "/readyz"); status != 503 || body != "sample: is starting\n" {
		t.Errorf("before: %d %q", status, body)
	}
	s.config.Admin = netip.MustParseAddrPort("127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Serve(ctx,
		Stage{"first", func(ctx context.Context) error { cancel(); <-ctx.Done(); return nil }},
		Stage{"second", func(ctx context.Context) error {
			<-ctx.Done()
			url := "http://" + s.Admin().String()
			if status, body := get(t, url+"/readyz"); status != 503 || body != "sample: is stopping\n" {
				t.Errorf("while it stops: %d %q", status, body)
			}
			if status, _ := get(t, url+"/livez"); status != 200 {
				t.Errorf("/livez while it stops: %d", status)
			}
			return nil
		}})
	if err != nil {
		t.Error(err)
	}
}

func TestAPlainStructBecomesMetricsWhenSomebodyScrapes(t *testing.T) {
	s := quiet()
	stats := struct{ decoded, skipped uint64 }{}
	s.Counters("datagrams_total", "Datagrams by outcome.", "outcome", func(yield func(string, uint64)) {
		yield("decoded", stats.decoded)
		yield("skipped", stats.skipped)
	})
	s.Counter("bytes_total", "Bytes read.", func() uint64 { return stats.decoded * 100 })
	s.Gauges("lag_records", "Records not read yet.", "topic", func(yield func(string, float64)) { yield("flows", 1.5) })
	s.Gauge("sources", "Sources in the table.", func() float64 { return 12 })
	stats.decoded, stats.skipped = 40, 2
	wantMetrics(t, s, `
		# HELP scanhound_sample_datagrams_total Datagrams by outcome.
		# TYPE scanhound_sample_datagrams_total counter
		scanhound_sample_datagrams_total{outcome="decoded"} 40
		scanhound_sample_datagrams_total{outcome="skipped"} 2
		scanhound_sample_bytes_total 4000
		# TYPE scanhound_sample_lag_records gauge
		scanhound_sample_lag_records{topic="flows"} 1.5
		scanhound_sample_sources 12`)
	problems, err := testutil.GatherAndLint(s.Metrics())
	if err != nil || len(problems) > 0 {
		t.Errorf("promtool would complain: %v %v", problems, err)
	}
}

func TestABadMetricIsOurBugAndFoundAtOnce(t *testing.T) {
	s := quiet()
	for name, register := range map[string]func(){
		"without help":     func() { s.Gauge("a", "", func() float64 { return 0 }) },
		"counter, no unit": func() { s.Counter("b", "B.", func() uint64 { return 0 }) },
		"gauge in total":   func() { s.Gauge("c_total", "C.", func() float64 { return 0 }) },
		"twice":            func() { s.Gauge("d", "D.", nil); s.Gauge("d", "D.", nil) },
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "BUG: ") {
					t.Errorf("%s: %s", name, text)
				}
			}()
			register()
		}()
	}
}

func TestTheConfigPageMasksSecrets(t *testing.T) {
	var cli sample
	call(t, &cli, []string{"SCANHOUND_TOKEN=tell-nobody"})
	status, body := ask(cli.service, "/config")
	if status != 200 || !strings.Contains(body, `token: "***" # $SCANHOUND_TOKEN`) || strings.Contains(body, "tell-nobody") {
		t.Errorf("%d %s", status, body)
	}
}

func TestProfilesAreServedButNotTheCommandLineWhichMayHoldASecret(t *testing.T) {
	s := quiet()
	if status, body := ask(s, "/debug/pprof/"); status != 200 || !strings.Contains(body, "goroutine") {
		t.Errorf("index: %d %s", status, body)
	}
	if status, body := ask(s, "/debug/pprof/goroutine?debug=1"); status != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("goroutine: %d %s", status, body)
	}
	if status, body := ask(s, "/debug/pprof/cmdline"); status != 404 {
		t.Errorf("cmdline: %d %s", status, body)
	}
}

func TestProfilesAreForThisMachineAlone(t *testing.T) {
	s := quiet()
	for client, want := range map[string]int{"[::1]:40000": 200, "[::ffff:127.0.0.1]:40000": 200, "192.0.2.1:40000": 403, "[2001:db8::1]:40000": 403, "": 403} {
		for _, page := range []string{"/debug/pprof/", "/debug/pprof/heap"} {
			if status, body := askFrom(s, client, page); status != want {
				t.Errorf("%s from %q: %d %s", page, client, status, body)
			}
		}
		if status, _ := askFrom(s, client, "/livez"); status != 200 {
			t.Errorf("/livez from %q: %d", client, status)
		}
	}
}

func TestAProgramAddsPagesAndTheIndexListsAll(t *testing.T) {
	s := quiet()
	s.Page("GET /templates", text(func() (int, string) { return 200, "none yet\n" }))
	if status, body := ask(s, "/templates"); status != 200 || body != "none yet\n" {
		t.Errorf("%d %q", status, body)
	}
	_, body := ask(s, "/")
	want := "/config\n/debug/pprof/\n/debug/pprof/profile\n/debug/pprof/symbol\n/debug/pprof/trace\n/livez\n/metrics\n/readyz\n/templates\n/version\n"
	if d := cmp.Diff(want, body); d != "" {
		t.Error(d)
	}
}

func TestAPageThatLastsIsToldWhenTheServiceEnds(t *testing.T) {
	s := quiet()
	s.Page("/events", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		_, _ = io.WriteString(w, "the end")
	}))
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	var body io.ReadCloser
	serving(t, s, func(url string) {
		answer, err := (&http.Client{Transport: transport}).Get(url + "/events")
		if err != nil {
			t.Error(err)
			return
		}
		body = answer.Body
	})
	if body == nil {
		return
	}
	defer body.Close()
	if text, err := io.ReadAll(body); string(text) != "the end" {
		t.Errorf("the page was cut off: %q %v", text, err)
	}
}

func TestAPageThatNeverEndsIsCutOff(t *testing.T) {
	s := quiet()
	release := make(chan struct{})
	defer close(release)
	s.Page("/stuck", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	serving(t, s, func(url string) {
		answer, err := (&http.Client{Transport: transport}).Get(url + "/stuck")
		if err != nil {
			t.Error(err)
			return
		}
		answer.Body.Close()
	})
}

func TestAnAdminPortInUseIsToldBeforeAnyStageStarts(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	address := other.Addr().String()
	inFolder(t, "minimum: 1\nadmin: "+address+"\n")
	got := call(t, &sample{}, nil, "--settings=settings.yaml", "--do=serve")
	want := "settings.yaml:2: admin: another program listens on " + address + "; give --admin another address"
	if got.code != exitSettings || !strings.Contains(got.stderr, want) || got.stdout != "" {
		t.Errorf("got %+v", got)
	}
}

func TestAServiceWithoutSettingsHasNoAdminPort(t *testing.T) {
	s := New("inner", slog.New(slog.DiscardHandler))
	err := s.Serve(t.Context(), Stage{"check", func(context.Context) error {
		if s.Admin().IsValid() {
			t.Error(s.Admin())
		}
		return nil
	}})
	if err != nil {
		t.Error(err)
	}
}
