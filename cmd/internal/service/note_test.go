package service

import (
	"errors"
	"testing"
)

func TestANoteIsSaidAndKeepsNobodyFromBeingReady(t *testing.T) {
	s := quiet()
	var say string
	var wrong error
	s.Part("detector").Note("settings", func() string { return say })
	s.Ready("kafka", func() error { return wrong })
	serving(t, s, func(url string) {
		for _, c := range []struct {
			say    string
			wrong  error
			status int
			body   string
		}{
			{"", nil, 200, "ready\n"},
			{"they\ndiffer", nil, 200, "ready\nnote: detector: settings: they; differ\n"},
			{"they differ", errors.New("away"), 503, "kafka: away\nnote: detector: settings: they differ\n"},
		} {
			say, wrong = c.say, c.wrong
			if status, body := get(t, url+"/readyz"); status != c.status || body != c.body {
				t.Errorf("%d %q, want %d %q", status, body, c.status, c.body)
			}
		}
	})
}
