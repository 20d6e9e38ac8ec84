package story

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/scanhound/scanhound/internal/defaults"

	"golang.org/x/tools/txtar"

	"github.com/scanhound/scanhound/detect"
	"github.com/scanhound/scanhound/detect/internal/flowtest"
)

// story is a parsed file. Telling it rewrites the archive.
type story struct {
	archive *txtar.Archive
	cfg     detect.Config
	lines   []*line
	alerts  *txtar.File
	guards  *txtar.File // nil unless the story is about some
	may     []may
}

// midnight before the first day of every story.
var midnight = flowtest.Noon.Add(-12 * time.Hour)

// parse reads a story; an error begins with file and line.
func parse(path string, text []byte) (*story, error) {
	s := &story{archive: txtar.Parse(text), cfg: defaults.Of[detect.Config]()}
	if len(bytes.TrimSpace(s.archive.Comment)) == 0 {
		return nil, fmt.Errorf("%s:1: say above what happens, and why it alerts or must be silent", path)
	}
	at := bytes.Count(s.archive.Comment, []byte("\n"))
	for i := range s.archive.Files {
		f := &s.archive.Files[i]
		at++
		if err := s.section(path, at, f); err != nil {
			return nil, err
		}
		at += bytes.Count(f.Data, []byte("\n"))
	}
	if len(s.lines) == 0 || s.alerts == nil {
		return nil, fmt.Errorf("%s:%d: a story has flows and alerts", path, at)
	}
	return s, nil
}

// section reads one that begins at a line of the file.
func (s *story) section(path string, at int, f *txtar.File) error {
	read := func(each func(text string, number int) error) error {
		for text := range strings.Lines(string(f.Data)) {
			at++
			text, _, _ = strings.Cut(strings.TrimSpace(text), "#")
			if strings.TrimSpace(text) == "" {
				continue
			}
			if err := each(text, at); err != nil {
				return fmt.Errorf("%s:%d: %w", path, at, err)
			}
		}
		return nil
	}
	switch f.Name {
	case "settings":
		return read(func(text string, _ int) error { return parseSetting(text, &s.cfg) })
	case "flows":
		return read(func(text string, number int) error {
			l, err := parseLine(text, number)
			s.lines = append(s.lines, l)
			return err
		})
	case "may":
		return read(func(text string, number int) error {
			m, err := parseMay(text, number)
			s.may = append(s.may, m)
			return err
		})
	case "alerts":
		s.alerts = f
	case "guards":
		s.guards = f
	default:
		return fmt.Errorf("%s:%d: %q: give settings, flows, alerts, guards or may", path, at, f.Name)
	}
	return nil
}

// parseSetting reads what a story changes of the default settings.
func parseSetting(text string, cfg *detect.Config) (err error) {
	name, value, _ := strings.Cut(text, " ")
	value = strings.TrimSpace(value)
	switch name {
	case "internal":
		for s := range strings.SplitSeq(value, ",") {
			prefix, err := netip.ParsePrefix(s)
			if err != nil {
				return err
			}
			cfg.Internal = append(cfg.Internal, prefix)
		}
	case "window":
		cfg.Window, err = time.ParseDuration(value)
	case "memory":
		cfg.Memory, err = strconv.ParseUint(value, 10, 64)
	default:
		return fmt.Errorf("%q: give internal, window or memory", name)
	}
	return err
}
