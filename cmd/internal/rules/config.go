package rules

import (
	"fmt"
	"os"

	"github.com/scanhound/scanhound/cmd/internal/memory"
	"github.com/scanhound/scanhound/detect"
)

// Config is every setting that decides what a scan is.
type Config struct {
	Detect     detect.Config `embed:"" group:"Detection:"`
	Choice     ChoiceConfig  `embed:"" group:"Detection:"`
	Exceptions string        `placeholder:"FILE" group:"Detection:" help:"YAML file of what looks like a scan and is none, each with sources, targets, ports or exporters, an owner, a reason and an end; read again when it changes."`
}

// Open returns a detector of all sources with these settings. given is that of
// [Load], and an error begins with the name of a setting as its errors do.
func (c *Config) Open(given func(setting string) (place string)) (*detect.Replay, error) {
	choice, err := Load(c.Choice, c.Detect.Rules, given)
	if err != nil {
		return nil, err
	}
	cfg := c.Detect
	cfg.Rules = choice.InForce().Rules
	cfg.Memory, _ = memory.Budget(cfg.Memory)
	state, err := detect.New(cfg)
	d := &detect.Replay{Detector: state}
	if err != nil || c.Exceptions == "" {
		return d, err
	}
	text, err := os.ReadFile(c.Exceptions)
	if err != nil {
		return nil, fmt.Errorf("exceptions: %w", err)
	}
	list, err := ReadExceptions(text)
	if err != nil {
		return nil, fmt.Errorf("exceptions: read %s: %w", c.Exceptions, err)
	}
	d.SetExceptions(list)
	return d, nil
}
