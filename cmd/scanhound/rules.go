package main

import (
	"context"
	"fmt"

	"github.com/scanhound/scanhound/cmd/internal/rules"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
)

// rulesCommand prints what a detector with these settings would judge by, and checks
// the rules file on the way.
type rulesCommand struct {
	Rules  detect.Rules       `embed:"" group:"Detection:"`
	Choice rules.ChoiceConfig `embed:"" group:"Detection:"`
}

// Run reads the rules file.
func (c *rulesCommand) Run(_ context.Context, s *service.Service) error {
	choice, err := rules.Load(c.Choice, c.Rules, s.Given)
	if err != nil {
		return s.MisconfiguredIn("", err)
	}
	f := choice.InForce()
	if f.Idle() {
		fmt.Fprintf(s.Stderr, "%s changes nothing of the profile %s, which is chosen\n", f.File, f.Name)
	}
	var others []rules.Profile
	for _, p := range f.All {
		if p.Name != f.Name {
			others = append(others, p)
		}
	}
	_, err = fmt.Fprintf(s.Stdout, "# What a detector with these settings judges by: the profile %s.\n%s\n# The other profiles, without explicit settings.\n%s",
		f.Name, rules.Text(f.Profile), rules.Text(others...))
	return err
}
