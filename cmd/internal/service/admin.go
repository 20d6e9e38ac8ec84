package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/segmentio/encoding/json"
)

// Config are the settings of a program that runs until it is told to stop. Its
// struct embeds Config without a name; a command without it has no admin port.
type Config struct {
	Admin           netip.AddrPort `group:"Service:" default:"${admin}" help:"Where health, metrics, settings and profiles are served; empty: nowhere."`
	ShutdownTimeout time.Duration  `group:"Service:" default:"25s" help:"How long stopping may take. Keep it below what the supervisor grants."`
	StartTimeout    time.Duration  `group:"Service:" default:"0s" help:"How long to wait at the start until Kafka and NATS answer, as far as the program needs them; then it ends with exit code 4. 0s: for as long as it takes."`
}

// The default is under the 30 s after which Kubernetes kills a pod.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
const shutdownTimeout = 25 * time.Second

// Validate checks that there is time to stop, and to start.
func (c Config) Validate() error {
	if c.ShutdownTimeout <= 0 {
		return fmt.Errorf("shutdown-timeout: %v leaves no time to stop", c.ShutdownTimeout)
	}
	if c.StartTimeout < 0 {
		return fmt.Errorf("start-timeout: %v is no time: give a duration, or 0s to wait for as long as it takes", c.StartTimeout)
	}
	return nil
}

// serviceConfig is promoted to whatever embeds Config: so Run finds it.
func (c Config) serviceConfig() Config { return c }

// Handler returns what the admin port serves, for tests.
func (s *Service) Handler() http.Handler { return s.mux }

// Admin returns where the admin port is, with the number that the system chose
// for port 0. It is the zero AddrPort before Serve, and where there is none.
func (s *Service) Admin() netip.AddrPort {
	if a := s.admin.Load(); a != nil {
		return *a
	}
	return netip.AddrPort{}
}

// openAdmin serves the admin port until the function that it returns is called.
func (s *Service) openAdmin() (closeAdmin func(), err error) {
	if !s.config.Admin.IsValid() {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", s.config.Admin.String())
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, s.Misconfigured("admin", fmt.Errorf("another program listens on %v; give --admin another address", s.config.Admin))
	case err != nil:
		return nil, s.Misconfigured("admin", err)
	}
	at := listener.Addr().(*net.TCPAddr).AddrPort()
	s.admin.Store(&at)
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: 5 * time.Second, // no limit on the answer: profiles and event streams last
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.Log.Error("the admin port is gone", "error", err)
		}
	}()
	s.Log.Info("admin port is open", "address", at.String())
	if !at.Addr().IsLoopback() {
		s.Log.Warn("the admin port is open beyond this machine, without a password: whoever reaches it reads settings and states; let a network policy or a firewall choose who does", "address", at.String())
	}
	return func() {
		cancel()
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		if server.Shutdown(ctx) != nil { // a page does not end: cut it off
			_ = server.Close()
		}
		<-done
	}, nil
}

func (s *Service) routes() {
	s.Page("GET /livez", text(func() (int, string) { return http.StatusOK, "alive\n" }))
	s.Page("GET /readyz", text(s.readiness))
	s.Page("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      slog.NewLogLogger(s.Log.Handler(), slog.LevelError),
	}))
	s.Page("GET /version", http.HandlerFunc(s.version))
	s.Page("GET /config", text(func() (int, string) { return http.StatusOK, s.shown }))
	// Without /debug/pprof/cmdline, where a secret given as a flag would show.
	s.Page("GET /debug/pprof/", near(pprof.Index))
	s.Page("GET /debug/pprof/profile", near(pprof.Profile))
	s.Page("GET /debug/pprof/symbol", near(pprof.Symbol))
	s.Page("GET /debug/pprof/trace", near(pprof.Trace))
	s.mux.Handle("GET /{$}", text(s.index))
}

// near answers this machine alone, and what reaches it through a tunnel, such as kubectl
// port-forward: a profile costs seconds of CPU, and the port has no password.
func near(page http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !from.Addr().Unmap().IsLoopback() {
			http.Error(w, "profiles are for this machine alone: ask from it, or through a tunnel to its loopback", http.StatusForbidden)
			return
		}
		page(w, r)
	})
}

// readiness is all that keeps the service from being ready, a line each, and the notes.
func (s *Service) readiness() (int, string) {
	s.mu.Lock()
	checks := slices.Clone(s.checks)
	s.mu.Unlock()
	var reasons strings.Builder
	for _, c := range checks {
		if err := c.ready(); err != nil {
			reason := strings.ReplaceAll(err.Error(), "\n", "; ")
			fmt.Fprintf(&reasons, "%s: %s\n", c.name, reason)
		}
	}
	if reasons.Len() > 0 {
		return http.StatusServiceUnavailable, reasons.String() + s.notices()
	}
	return http.StatusOK, "ready\n" + s.notices()
}

func (s *Service) version(w http.ResponseWriter, _ *http.Request) {
	body, err := json.Marshal(struct {
		Program string `json:"program"`
		Build
	}{s.name, Version()})
	if err != nil {
		panic("BUG: write the version: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // a client that went away is no error
}

// index lists the paths that a reader may try.
func (s *Service) index() (int, string) {
	s.mu.Lock()
	paths := slices.Clone(s.paths)
	s.mu.Unlock()
	for i, p := range paths {
		paths[i] = strings.TrimPrefix(p, "GET ")
	}
	slices.Sort(paths)
	return http.StatusOK, strings.Join(paths, "\n") + "\n"
}

// text serves a status and a body that are made for each request.
func text(page func() (status int, body string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status, body := page()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body)) // a client that went away is no error
	})
}
