package orientation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/cmd/internal/orientation"
	"github.com/scanhound/scanhound/detect/orient"
	"github.com/scanhound/scanhound/internal/defaults"
)

func TestTheServicesOfTheTagsAreThoseThatOrientKnows(t *testing.T) {
	if d := cmp.Diff(orient.ServicePorts[:], defaults.Of[orientation.Config]().Services); d != "" {
		t.Errorf("(-orient +tags)\n%s", d)
	}
}
