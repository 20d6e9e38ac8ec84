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
	Assets     string        `placeholder:"FILE" group:"Detection:" help:"YAML file of hosts and networks that matter, each with name, prefixes, owner, role, criticality and its expected scanners; a scan that touches one names it and is more severe. Read again when it changes."`
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
	if err != nil {
		return d, err
	}
	var known Known
	for _, f := range []struct {
		setting, path string
		take          func([]byte) error
	}{{"assets", c.Assets, known.TakeAssets}, {"exceptions", c.Exceptions, known.TakeExceptions}} {
		if f.path == "" {
			continue
		}
		text, err := os.ReadFile(f.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.setting, err)
		}
		if err := f.take(text); err != nil {
			return nil, fmt.Errorf("%s: read %s: %w", f.setting, f.path, err)
		}
	}
	d.SetExceptions(known.InForce().Exceptions)
	d.SetAssets(known.InForce().Assets)
	return d, nil
}
