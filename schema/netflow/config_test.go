package netflow_test

import (
	"testing"

	"github.com/alecthomas/kong"

	"github.com/scanhound/scanhound/schema/netflow"
)

func TestDefaultsAreThoseOfTheTags(t *testing.T) {
	var c netflow.Config
	p, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if want := netflow.DefaultConfig(); c != want {
		t.Errorf("tags say %+v, DefaultConfig %+v", c, want)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestABoundBelowOneIsRefused(t *testing.T) {
	for _, change := range []func(*netflow.Config){
		func(c *netflow.Config) { c.MaxTemplates = 0 },
		func(c *netflow.Config) { c.MaxPerExporter = -1 },
		func(c *netflow.Config) { c.WaitAge = 0 },
		func(c *netflow.Config) { c.WaitBytes = 0 },
		func(c *netflow.Config) { c.WaitTotal = c.WaitBytes - 1 },
	} {
		c := netflow.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
