package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/cmd/internal/service"
)

func TestHealthcheckTellsWhatTheProgramSaysOfItself(t *testing.T) {
	s := service.New("ingest", slog.New(slog.DiscardHandler))
	s.Ready("kafka", func() error { return errors.New("does not answer") })
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://")
	if r := run(t, nil, "healthcheck", "--admin="+at, "--live"); r.code != 0 || r.stdout != "alive\n" {
		t.Errorf("of one that lives: %+v", r)
	}
	if r := run(t, nil, "healthcheck", "--admin="+at); r.code != 1 || !strings.Contains(r.stderr, "kafka: does not answer") {
		t.Errorf("of one that is not ready: %+v", r)
	}
	_, port, _ := strings.Cut(at, ":")
	if r := run(t, nil, "healthcheck", "--admin=:"+port, "--live"); r.code != 0 {
		t.Errorf("of one that listens on all addresses: %+v", r)
	}
	server.Close()
	if r := run(t, nil, "healthcheck", "--admin="+at, "--live"); r.code != 1 || !strings.Contains(r.stderr, "connection refused") {
		t.Errorf("of one that is gone: %+v", r)
	}
}

func TestHealthcheckWaitsNoLongerThanItMay(t *testing.T) {
	ended := make(chan struct{})
	s := service.New("ingest", slog.New(slog.DiscardHandler))
	s.Ready("hangs", func() error { <-ended; return nil })
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	defer close(ended)
	r := run(t, nil, "healthcheck", "--admin="+strings.TrimPrefix(server.URL, "http://"), "--healthcheck-timeout=50ms")
	if r.code != 1 || !strings.Contains(r.stderr, context.DeadlineExceeded.Error()) {
		t.Errorf("%+v", r)
	}
}
