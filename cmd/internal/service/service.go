package service

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/scanhound/scanhound/cmd/internal/settings"
)

// Service is what a running program shares with the world around it: its log,
// its streams, its admin port, its end. The zero value is of no use; Main makes
// one for a program, [New] one for a test.
type Service struct {
	Log            *slog.Logger
	Stdin          io.Reader
	Stdout, Stderr io.Writer // data and all else; the log goes to Stderr too

	name     string
	config   Config
	settings *settings.Settings // nil where nobody parsed any
	shown    string             // the settings as /config shows them
	within   string             // what its checks' names begin with, in a part
	base     slog.Handler
	repeats  *repeatState
	state    atomic.Int32
	admin    atomic.Pointer[netip.AddrPort]
	*hub
}

// hub is what a service has in common with its parts.
type hub struct {
	mux      *http.ServeMux
	registry *prometheus.Registry

	mu     sync.Mutex
	checks []check
	notes  []note
	paths  []string // of pages, for the index
	logs   []*repeatState
}

// New returns a service without settings and thus without an admin port, for a
// program that runs inside another one or in a test. Its streams are empty.
func New(name string, log *slog.Logger) *Service { return newService(name, log.Handler()) }

func newService(name string, base slog.Handler) *Service {
	h := &hub{mux: http.NewServeMux(), registry: prometheus.NewRegistry()}
	h.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	s := &Service{Stdin: &bytes.Reader{}, Stdout: io.Discard, Stderr: io.Discard}
	s.join(h, name, base)
	s.Ready(name, s.phase)
	s.Log = slog.New(&repeats{base, s.repeats})
	s.routes()
	return s
}

// join makes s a member of h.
func (s *Service) join(h *hub, name string, base slog.Handler) {
	s.hub, s.name, s.base = h, name, base
	s.repeats = newRepeats(base).state
	h.mu.Lock()
	h.logs = append(h.logs, s.repeats)
	h.mu.Unlock()
	b := Version()
	s.register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        s.metric("build_info"),
		Help:        "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "go": b.Go},
	}, func() float64 { return 1 }))
	s.Counters("log_messages_total", "Log messages of a level that is enabled, those left out of the log too.", "level",
		func(yield func(string, uint64)) {
			for i, level := range levels {
				yield(level, s.repeats.counts[i].Load())
			}
		})
}

// Part returns the service of a program that runs inside this one. It shares the
// streams, the admin port and what is shown there; its log lines carry its name,
// its metrics and checks begin with it, and its [Service.Serve], which it may do without,
// opens no port.
func (s *Service) Part(name string) *Service {
	p := &Service{Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr, settings: s.settings, within: name + ": "}
	p.config.ShutdownTimeout, p.config.StartTimeout = s.config.ShutdownTimeout, s.config.StartTimeout
	p.join(s.hub, name, s.base.WithAttrs([]slog.Attr{slog.String("program", name)}))
	p.Log = slog.New(&repeats{p.base, p.repeats})
	return p
}

// As fills cli, the settings of another program, from the settings file and the environment of
// this one, and returns the service that the program would have here. It opens no port.
func (s *Service) As(p settings.Program, cli any, log slog.Handler) (*Service, error) {
	parsed, err := s.settings.For(p, cli)
	if err != nil {
		return nil, err
	}
	other := newService(p.Name, log)
	other.settings = parsed
	return other, nil
}

// Ready registers a check that /readyz asks: nil means ready, an error says why
// not. It is called by every probe, from any goroutine, and must not wait.
func (s *Service) Ready(name string, ready func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks = append(s.checks, check{s.within + name, ready})
}

// Page serves h on the admin port at pattern, as in [http.ServeMux]. When the
// service ends, the requests' contexts do.
func (s *Service) Page(pattern string, h http.Handler) {
	s.mux.Handle(pattern, h)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths = append(s.paths, pattern)
}

// Given returns where the named setting was given, such as --admin or
// settings.yaml:3, or "" where it has its default.
func (s *Service) Given(setting string) string {
	if s.settings == nil {
		return ""
	}
	return s.settings.Given(setting)
}

// Misconfigured is the error of a setting that only Run could find wrong, with
// the place where it was set: "settings.yaml:3: admin: another program ...".
func (s *Service) Misconfigured(setting string, err error) error {
	return Misconfigured(s.settings.Wrong(setting, err))
}

// MisconfiguredIn is Misconfigured for errors, joined or one, that begin with the
// name of their setting without the prefix of its group: "ca-file: ...".
func (s *Service) MisconfiguredIn(prefix string, err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, s.MisconfiguredIn(prefix, e))
		}
		return errors.Join(all...)
	}
	name, rest, found := strings.Cut(err.Error(), ": ")
	if !found || strings.Contains(name, " ") {
		return Misconfigured(err)
	}
	return s.Misconfigured(prefix+name, errors.New(rest))
}

// flush writes the log lines that wait for their turn, the parts' too.
func (h *hub) flush() {
	h.mu.Lock()
	logs := slices.Clone(h.logs)
	h.mu.Unlock()
	for _, l := range logs {
		l.flush()
	}
}

// check is one condition of being ready.
type check struct {
	name  string
	ready func() error
}

// The phases of a service.
const (
	starting int32 = iota
	running
	stopping
)

func (s *Service) phase() error {
	switch s.state.Load() {
	case starting:
		return errors.New("is starting")
	case stopping:
		return errors.New("is stopping")
	default:
		return nil
	}
}
