package ingest

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/scanhound/scanhound/internal/defaults"
)

func TestEachPlaceWhereFlowsAreLostIsToldApart(t *testing.T) {
	for want, change := range map[string]func(*Stats){
		"the socket's buffer was full":         func(s *Stats) { s.UDP.KernelDrops = 7 },
		"the queue to Kafka was full":          func(s *Stats) { s.Flows.QueueFull = 7 },
		"Kafka refused them":                   func(s *Stats) { s.Flows.Failed = 7 },
		"Kafka takes flows slower than they":   func(s *Stats) { s.Flows.Buffered = 100 << 20 },
		"data sets lost: their template never": func(s *Stats) { s.Templates.Waiting.Lost.Sets = 7 },
	} {
		var log bytes.Buffer
		in := &Ingest{cfg: defaults.Of[Config](), log: slog.New(slog.NewTextHandler(&log, nil))}
		var last, now Stats
		in.tell(&last, &now)
		if log.Len() != 0 {
			t.Errorf("nothing was lost: %s", &log)
		}
		change(&now)
		in.tell(&last, &now)
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), want) {
			t.Errorf("want %q, got %s", want, &log)
		}
	}
}
