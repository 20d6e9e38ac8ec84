package stream_test

import (
	"testing"

	"github.com/scanhound/scanhound/stream/embedded"
)

func TestWhatIsPublishedForTheFirstTimeNeverGetsLessWhileDuplicatesCome(t *testing.T) {
	n := withStream(t, natsServer(t, embedded.NATSConfig{}).URL())
	p := n.Publisher("lab")
	some := alerts(t, 0, 500, 1)
	ctx, done := soon(t), make(chan struct{})
	var err error
	go func() {
		defer close(done)
		for range 20 {
			if err = p.Publish(ctx, some); err != nil {
				return
			}
		}
	}()
	var last uint64
	looks := 0
	for running := true; running; looks++ {
		select {
		case <-done:
			running = false
		default:
		}
		s := p.Stats()
		if s.Published < s.Duplicates || s.Published-s.Duplicates < last {
			t.Fatalf("after %d looks: %d published, %d of them duplicates; %d were new before", looks, s.Published, s.Duplicates, last)
		}
		last = s.Published - s.Duplicates
	}
	if err != nil || last != 500 {
		t.Errorf("%d are new, want 500; %v", last, err)
	}
}
