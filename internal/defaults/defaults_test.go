package defaults_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scanhound/scanhound/internal/defaults"
)

type house struct {
	Rooms   int           `default:"3" env:"DEFAULTS_ROOMS" help:"Rooms that it has." placeholder:"NUMBER"`
	Streets []string      `default:"here,there" help:"Where it stands."`
	Age     time.Duration `default:"52h" help:"How old it is."`
	Roof    string        `default:"flat" enum:"flat,steep" help:"One of ${enum}."`
	Owner   string        `required:"" help:"Whose it is."`
	Hidden  int           `kong:"-"`
	Garden  garden        `embed:"" prefix:"garden-" group:"Garden:"`
	yard
	Cellar
}

type garden struct {
	Trees *int `help:"Trees in it."`
	Size  int  `default:"20" help:"How large it is."`
}

type yard struct{ Open bool }

// Cellar is nameless in a house.
type Cellar struct {
	Wine int `default:"7" help:"Bottles."`
}

// Validate refuses every house: nobody asks it.
func (house) Validate() error { return fmt.Errorf("it burns") }

func TestEveryFieldHasWhatItsTagSays(t *testing.T) {
	t.Setenv("DEFAULTS_ROOMS", "9")
	want := house{
		Rooms: 3, Streets: []string{"here", "there"}, Age: 52 * time.Hour, Roof: "flat",
		Garden: garden{Size: 20}, Cellar: Cellar{7},
	}
	if d := cmp.Diff(want, defaults.Of[house](), cmp.AllowUnexported(house{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestTwoCallersDoNotShareAList(t *testing.T) {
	first, second := defaults.Of[house](), defaults.Of[house]()
	first.Streets[0] = "elsewhere"
	if second.Streets[0] != "here" {
		t.Error("the second caller sees what the first one wrote")
	}
}

func TestATagThatCannotBeReadIsOurOwnMistake(t *testing.T) {
	for want, of := range map[string]func(){
		"BUG: settings of struct": func() {
			defaults.Of[struct {
				Admin string `default:"${admin}"`
			}]()
		},
		"BUG: defaults of struct": func() {
			defaults.Of[struct {
				Rooms int `default:"many"`
			}]()
		},
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.HasPrefix(said, want) {
					t.Errorf("got %s, want %s", said, want)
				}
			}()
			of()
		}()
	}
}
