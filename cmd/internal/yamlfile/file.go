// Package yamlfile reads the YAML files that operators write: settings, rules,
// exceptions, networks. It says all that is wrong with a file at once, each mistake
// with its line and, where a name is wrong, with the nearest one that exists.
//
// It knows no key. Whoever reads a file walks its nodes, and says with
// [File.Wrong] what is wrong with them. A File belongs to one goroutine.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// File is what an operator wrote, and all that is wrong with it.
type File struct {
	// Root is the top of the one document. It is nil where there is none: the file
	// is empty, holds comments only, or is no YAML.
	Root *yaml.Node

	wrong Mistakes
}

// Parse reads the text of a file. That it is no YAML, or more than one document,
// is among its mistakes.
func Parse(text []byte) *File {
	f := new(File)
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&root); err != nil {
		f.syntax(err)
		return f
	}
	f.Root = root.Content[0]
	if err := d.Decode(&more); err == nil {
		f.Wrong(more.Line, "a second document begins here; one file holds one")
	} else {
		f.syntax(err)
	}
	return f
}

// syntax notes an error of the YAML parser, which has the line in its text.
func (f *File) syntax(err error) {
	if errors.Is(err, io.EOF) {
		return
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1]) // the pattern takes digits only
		f.Wrong(line, "%s", m[2])
		return
	}
	f.Wrong(0, "%s", text)
}

var yamlLine = regexp.MustCompile(`(?s)^line (\d+): (.*)$`)

// Wrong notes a mistake in a line; 0 is a line that is not known.
func (f *File) Wrong(line int, format string, args ...any) {
	f.wrong = append(f.wrong, Mistake{line, fmt.Sprintf(format, args...)})
}

// Mistakes returns all that is wrong, by line.
func (f *File) Mistakes() Mistakes {
	slices.SortStableFunc(f.wrong, func(a, b Mistake) int { return a.Line - b.Line })
	return f.wrong
}

// Err returns all that is wrong as one error, or nil.
func (f *File) Err() error {
	if len(f.wrong) == 0 {
		return nil
	}
	return f.Mistakes()
}

// Mistake is one thing that is wrong with a file.
type Mistake struct {
	Line int // 0 where it is not known
	Text string
}

// String is one line: the place, then what is wrong.
func (m Mistake) String() string {
	if m.Line == 0 {
		return m.Text
	}
	return fmt.Sprintf("line %d: %s", m.Line, m.Text)
}

// Mistakes are all that is wrong with a file. As an error they are a line each.
type Mistakes []Mistake

func (all Mistakes) Error() string {
	lines := make([]string, len(all))
	for i, m := range all {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}
