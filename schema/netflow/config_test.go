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
	for _, c := range []netflow.Config{{MaxTemplates: 0, MaxPerExporter: 1}, {MaxTemplates: 1, MaxPerExporter: -1}} {
		if err := c.Validate(); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
