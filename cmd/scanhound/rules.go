package main

import (
	"context"
	"fmt"

	"github.com/scanhound/scanhound/cmd/internal/profile"
	"github.com/scanhound/scanhound/cmd/internal/service"
	"github.com/scanhound/scanhound/detect"
)

// rules prints what a detector with these settings would judge by, and checks
// the rules file on the way.
type rules struct {
	Rules   detect.Rules   `embed:"" group:"Detection:"`
	Profile profile.Config `embed:"" group:"Detection:"`
}

// Run reads the rules file.
func (c *rules) Run(_ context.Context, s *service.Service) error {
	choice, err := profile.Load(c.Profile, c.Rules, s.Given)
	if err != nil {
		return s.MisconfiguredIn("", err)
	}
	f := choice.InForce()
	if f.Idle() {
		fmt.Fprintf(s.Stderr, "%s changes nothing of the profile %s, which is chosen\n", f.File, f.Name)
	}
	var others []profile.Profile
	for _, p := range f.All {
		if p.Name != f.Name {
			others = append(others, p)
		}
	}
	_, err = fmt.Fprintf(s.Stdout, "# What a detector with these settings judges by: the profile %s.\n%s\n# The other profiles, without explicit settings.\n%s",
		f.Name, profile.Text(f.Profile), profile.Text(others...))
	return err
}
