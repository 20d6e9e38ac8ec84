package rules

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scanhound/scanhound/cmd/internal/settings"
	"github.com/scanhound/scanhound/detect"
)

// ChoiceConfig chooses a profile.
type ChoiceConfig struct {
	Rules   string `placeholder:"FILE" help:"YAML file of profiles, sets of detection rules by name, beside those that ship; read again when it changes. scanhound rules checks it."`
	Profile string `default:"default" help:"Profile of detection rules: default, internet-edge, internal, telescope, or one of the rules file. What is set explicitly wins over it."`
}

// Choice is the profile that is chosen and what is in force of it. Take belongs
// to one goroutine; InForce may be called from any.
type Choice struct {
	cfg   ChoiceConfig
	own   detect.Rules
	given func(setting string) (place string)
	force atomic.Pointer[InForce]
}

// InForce is the rules that decide now. It is never changed.
type InForce struct {
	Profile           // its rules and where they are from, with the explicit settings
	All     []Profile // that there are
	File    string    // that was read
	Since   time.Time // when these rules came to be in force
}

// New returns a choice that has taken no text yet. own are the rules as set; given
// says where one of them was set, or "" where it has its default.
func New(cfg ChoiceConfig, own detect.Rules, given func(setting string) (place string)) *Choice {
	return &Choice{cfg: cfg, own: own, given: given}
}

// Load returns a choice that has taken its file, if there is one. Its error
// begins with the name of a setting.
func Load(cfg ChoiceConfig, own detect.Rules, given func(setting string) (place string)) (*Choice, error) {
	if err := own.Validate(); err != nil {
		return nil, err // of a setting, which has a place of its own
	}
	c := New(cfg, own, given)
	if cfg.Rules == "" {
		return c, c.Take(nil)
	}
	text, err := os.ReadFile(cfg.Rules)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	if err := c.Take(text); err != nil {
		return nil, fmt.Errorf("rules: read %s: %w", cfg.Rules, err)
	}
	return c, nil
}

// Take puts the chosen profile in force as it is by the text of the rules file.
// Where the text is wrong nothing changes.
func (c *Choice) Take(text []byte) error {
	list, err := Read(text)
	if err != nil {
		return err
	}
	name := c.cfg.Profile
	if name == "" { // a caller without a command line
		name = Default
	}
	p, err := pick(list, name)
	if err != nil && c.cfg.Rules == "" {
		return fmt.Errorf("profile: %w", err)
	} else if err != nil {
		return err
	}
	next := &InForce{Profile: c.settle(p), All: list, File: c.cfg.Rules, Since: time.Now()}
	if err := next.Rules.Validate(); err != nil {
		return fmt.Errorf("profile %s with what is set besides: %w", name, err)
	}
	if was := c.force.Load(); was != nil && settings.ValuesOf(&was.Rules).Same(settings.ValuesOf(&next.Rules)) {
		next.Since = was.Since
	}
	c.force.Store(next)
	return nil
}

// settle puts the explicit settings into p, and those of a caller that has no
// command line where p says nothing.
func (c *Choice) settle(p Profile) Profile {
	from := map[string]string{}
	into, own := settings.ValuesOf(&p.Rules), settings.ValuesOf(&c.own)
	for _, rule := range into.Names() {
		place := c.given(rule)
		if from[rule] = p.From[rule]; place != "" {
			from[rule] = place
		}
		if place != "" || from[rule] == "" {
			into.Copy(rule, own)
		}
	}
	p.From = from
	return p
}

// InForce returns what is in force; nil before the first text was taken.
func (c *Choice) InForce() *InForce { return c.force.Load() }

// Idle reports whether the rules file has no say: it changes no part of the
// profile that is chosen.
func (f *InForce) Idle() bool { return f.File != "" && f.Shipped }

// Text is the rules in force as a rules file, with where each value is from.
func (f *InForce) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# in force since %s: profile %s", f.Since.UTC().Format(time.RFC3339), f.Name)
	switch {
	case f.Idle():
		fmt.Fprintf(&b, " as it ships; %s does not change it", f.File)
	case f.File != "":
		fmt.Fprintf(&b, " of %s", f.File)
	}
	b.WriteByte('\n')
	b.Write(Text(f.Profile))
	return []byte(b.String())
}
