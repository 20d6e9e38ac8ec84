package stream_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/scanhound/scanhound/stream"
)

// member is one holder of a table.
type member struct {
	*stream.Table
	mu   sync.Mutex
	held map[string]string
}

func (m *member) apply(key, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value == nil {
		delete(m.held, string(key))
	} else {
		m.held[string(key)] = string(value)
	}
}

func (m *member) holds(want map[string]string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Equal(m.held, want)
}

func join(t *testing.T, k kafka, topic string) *member {
	t.Helper()
	m := &member{held: map[string]string{}}
	var err error
	if m.Table, err = stream.OpenTable(soon(t), k.KafkaConfig, topic, 1, m.apply, quiet()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := m.Close(soon(t)); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestWhatOneMemberPutsIntoATableAllHoldAndANewOneHoldsItFromTheStart(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := unique(t)
		a, b := join(t, k, topic), join(t, k, topic)
		want := map[string]string{}
		for i := range 100 {
			key := fmt.Sprint(i % 20)
			a.Put([]byte(key), fmt.Append(nil, i))
			want[key] = fmt.Sprint(i)
		}
		eventually(t, "both hold the first entries", func() bool { return a.holds(want) && b.holds(want) })
		b.Put([]byte("7"), nil)
		delete(want, "7")
		eventually(t, "both have deleted one", func() bool { return a.holds(want) && b.holds(want) })
		if c := join(t, k, topic); !c.holds(want) {
			t.Errorf("a new member begins with %v", c.held)
		} else if s := c.Stats(); s.Loaded != 101 || s.Applied != 0 {
			t.Errorf("%+v", s)
		}
		eventually(t, "what was put is acknowledged", func() bool { return a.Stats().Put == 100 && b.Stats().Put == 1 })
		if s := a.Stats(); s.Applied != 101 || s.Failed != 0 {
			t.Errorf("%+v", s)
		}
	})
}
