package netflow

import (
	"testing"

	"github.com/scanhound/scanhound/internal/defaults"
)

func TestTheZeroValueMeansWhatTheTagsSay(t *testing.T) {
	tags := defaults.Of[Config]()
	if zero := (Config{}).orDefault(); zero != tags.orDefault() || tags.MaxTemplates != zero.MaxTemplates || tags.WaitAge != zero.WaitAge || tags.WaitTotal != zero.WaitTotal {
		t.Errorf("tags say %+v, the zero value means %+v", tags, zero)
	}
	if err := tags.Validate(); err != nil {
		t.Error(err)
	}
}

func TestABoundBelowOneIsRefused(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.MaxTemplates = 0 },
		func(c *Config) { c.WaitAge = 0 },
		func(c *Config) { c.WaitTotal = 0 },
	} {
		c := defaults.Of[Config]()
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
