// Package scanhound_test checks what of the house rules in DESIGN.md a machine can check: the
// direction of imports, names, lengths, what detect must not touch. Each rule is seen to fail.
package scanhound_test

// long: a rule, its bad examples and its check are read together.

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/scanhound/scanhound"

// A file or a function longer than this is split, or says why in a "// long: reason" line.
const (
	maxFileLines = 400
	maxFuncLines = 60
)

var rules = []rule{
	{"every package has a comment", packageComments, []example{
		{"detect/a.go:1", `
-- detect/a.go --
package detect
-- detect/a_test.go --
// Package detect in a test says nothing to a reader of the package.
package detect
`}}},
	{"imports go one way", importDirections, []example{
		{"schema/siem/a.go:5", `
-- schema/siem/a.go --
package siem

import (
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/detect"
)
`}, {"detect/a.go:3", `
-- detect/a.go --
package detect

import "github.com/scanhound/scanhound/stream/embedded"
`}, {"stream/a_test.go:3", `
-- stream/a_test.go --
package stream

import "github.com/scanhound/scanhound/detect"
`}, {"cmd/internal/service/a.go:3", `
-- cmd/detector/main.go --
package main

import "github.com/scanhound/scanhound/detect"
-- cmd/internal/service/a.go --
package service

import "github.com/scanhound/scanhound/detect"
`}, {"stream/a.go:3", `
-- detect/a_test.go --
package detect

import "github.com/scanhound/scanhound/lab"
-- stream/a.go --
package stream

import "github.com/scanhound/scanhound/lab"
`}}},
	{"a package is named after what it provides", packageNames, []example{
		{"stream/utils/a.go:1", `
-- stream/utils/a.go --
package queue
`}, {"stream/queue/a.go:1", `
-- stream/queue/a.go --
package helpers
`}}},
	{"detect has no clock, no goroutine, no mutex, no I/O", detectIsPure, []example{
		{"detect/a.go:5", `
-- detect/a.go --
package detect

import clock "time"

var now = clock.Now

const second = clock.Second
`}, {"detect/a.go:4", `
-- detect/a.go --
package detect

func f() {
	go f()
}
`}, {"detect/a.go:5", `
-- detect/a.go --
package detect

import (
	"net/netip"
	"sync/atomic"
)
-- detect/a_test.go --
package detect

import "os"
`}}},
	{"no init", noInit, []example{
		{"schema/a.go:5", `
-- schema/a.go --
package schema

func (t) init() {}

func init() {}
`}}},
	{"no blank import", noBlankImport, []example{
		{"cmd/ingest/main.go:5", `
-- cmd/ingest/main.go --
package main

import (
	_ "embed"
	_ "net/http/pprof"
)
`}}},
	{"a long file is split", fileLength, []example{
		{"schema/a.go:401", `
-- schema/a.go --
package schema
` + strings.Repeat("\n", maxFileLines) + `
-- schema/b.go --
package schema

// long: one table.
` + strings.Repeat("\n", maxFileLines)}}},
	{"a long function is split", funcLength, []example{
		{"schema/a.go:7", `
-- schema/a.go --
package schema

// long: this is the comment of another function.
func f() {
}

func g() {` + strings.Repeat("\n", maxFuncLines) + `}

// long: one switch.
func h() {` + strings.Repeat("\n", maxFuncLines) + `}
`}}},
	{"JSON is written by segmentio", noStandardJSON, []example{
		{"schema/a.go:3", `
-- schema/a.go --
package schema

import "encoding/json"
-- tools/a.go --
package main

import "encoding/json"
`}}},
	{"no mocks, no assertion library", noMocks, []example{
		{"schema/a_test.go:3", `
-- schema/a_test.go --
package schema

import "github.com/stretchr/testify/require"
`}}},
	{"no path of one machine", noMachinePaths, []example{
		{"README.md:2", `
-- README.md --
See https://example.org/home/ and ~/work/flows,
or /` + `home/me/flows.
`}}},
	{"a metric is named after its program", metricNames, []example{
		{"stream/a.go:5", `
-- stream/a.go --
package stream

var names = []string{
	"scanhound_ingest_flows_total",
	"scanhound_Flows",
}
`}}},
	{"nothing is left for later", nothingLeftForLater, []example{
		{"schema/a.go:3", `
-- schema/a.go --
package schema

// TODO: decode options.
`}}},
}

func TestTheTreeKeepsTheHouseRules(t *testing.T) {
	whole := load(t, os.DirFS("."))
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			found := r.check(whole)
			slices.SortFunc(found, func(a, b finding) int {
				return cmp.Or(strings.Compare(a.file, b.file), a.line-b.line)
			})
			for _, f := range found {
				t.Error(f)
			}
		})
	}
}

func TestEachHouseRuleCanFail(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, bad := range r.bad {
				found := r.check(load(t, bad.fsys()))
				if len(found) != 1 || found[0].at() != bad.at {
					t.Errorf("found %v, want one finding at %s", found, bad.at)
				}
			}
		})
	}
}

// A rule looks at the whole tree. Each of its bad examples breaks it in one place.
type rule struct {
	name  string
	check func(tree) []finding
	bad   []example
}

// An example is a small tree, written as lines "-- name --", each with that file below it.
type example struct {
	at    string // "file:line" of what is wrong
	files string
}

func (e example) fsys() fs.FS {
	fsys := fstest.MapFS{}
	for _, part := range strings.Split(e.files, "\n-- ")[1:] {
		name, text, _ := strings.Cut(part, " --\n")
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// A finding is a place that breaks a rule, with what to do there.
type finding struct {
	file   string
	line   int
	advice string
}

func (f finding) at() string     { return fmt.Sprintf("%s:%d", f.file, f.line) }
func (f finding) String() string { return f.at() + ": " + f.advice }

// A tree is every text file but test data, ordered by path.
type tree []*source

type source struct {
	path string // from the root, with slashes
	text []byte
	fset *token.FileSet
	file *ast.File // nil unless it is Go
}

func load(t *testing.T, fsys fs.FS) tree {
	t.Helper()
	var whole tree
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(name):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		s := &source{path: name, text: text, fset: token.NewFileSet()}
		whole = append(whole, s)
		if path.Ext(name) == ".go" {
			s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// skipped are the folders that git ignores, the hidden ones, and test data.
func skipped(dir string) bool {
	switch base := path.Base(dir); {
	case dir == ".", dir == ".ci", dir == ".github":
		return false
	default:
		return dir == "bin" || base == "testdata" || base == "node_modules" || base[0] == '.'
	}
}

// goFiles returns the Go files that a person wrote.
func (w tree) goFiles() tree {
	return slices.DeleteFunc(slices.Clone(w), func(s *source) bool { return s.file == nil || ast.IsGenerated(s.file) })
}

// shipped returns the Go files that a person wrote and a program contains.
func (w tree) shipped() tree {
	return slices.DeleteFunc(w.goFiles(), (*source).test)
}

func (s *source) test() bool             { return strings.HasSuffix(s.path, "_test.go") }
func (s *source) in(folder string) bool  { return within(path.Dir(s.path), folder) }
func (s *source) line(pos token.Pos) int { return s.fset.Position(pos).Line }

func (s *source) find(pos token.Pos, advice string, args ...any) finding {
	return finding{s.path, s.line(pos), fmt.Sprintf(advice, args...)}
}

// imports yields what the file imports, and where.
func (s *source) imports() iter.Seq2[string, *ast.ImportSpec] {
	return func(yield func(string, *ast.ImportSpec) bool) {
		for _, spec := range s.file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if !yield(name, spec) {
				return
			}
		}
	}
}

func within(dir, folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }

func withinAny(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return within(dir, f) })
}

func packageComments(w tree) []finding {
	first, said := map[string]*source{}, map[string]bool{}
	for _, s := range w {
		if s.file == nil || s.test() {
			continue
		}
		dir := path.Dir(s.path)
		if first[dir] == nil {
			first[dir] = s
		}
		said[dir] = said[dir] || s.file.Doc != nil
	}
	var found []finding
	for dir, s := range first {
		if !said[dir] {
			found = append(found, s.find(s.file.Package, "say above package %s what it is for, what it promises, who owns it", s.file.Name))
		}
	}
	return found
}

// A layer tells what of ours the files of a folder may import. Their tests may use the captures too.
type layer struct {
	folder string
	may    []string
}

// The first layer that holds a file counts; what is in none imports nothing of ours.
var layers = []layer{
	{"schema", []string{"schema"}},
	{"detect", []string{"schema", "detect"}},
	{"stream", []string{"schema", "stream"}},
	{"console", []string{"schema", "stream", "console"}},
	{"lab", []string{"lab"}},
	{"cmd/internal/service", []string{"schema", "stream", "cmd/internal"}},
	{"cmd", []string{"schema", "detect", "stream", "console", "lab", "cmd"}},
}

func importDirections(w tree) []finding {
	var found []finding
	for _, s := range w.goFiles() {
		var may []string
		if i := slices.IndexFunc(layers, func(l layer) bool { return s.in(l.folder) }); i >= 0 {
			may = layers[i].may
		}
		for name, spec := range s.imports() {
			ours, ok := strings.CutPrefix(name, module+"/")
			if !ok || withinAny(ours, may) || s.test() && within(ours, "lab") {
				continue
			}
			found = append(found, s.find(spec.Pos(), "%s may import of ours only %q, not %s: let cmd hand it in", path.Dir(s.path), may, ours))
		}
	}
	return found
}

func packageNames(w tree) []finding {
	vague := []string{"util", "utils", "common", "helper", "helpers", "pkg", "types", "misc"}
	var found []finding
	for _, s := range w.goFiles() {
		words := append(strings.Split(path.Dir(s.path), "/"), strings.TrimSuffix(s.file.Name.Name, "_test"))
		for _, word := range words {
			if slices.Contains(vague, word) {
				found = append(found, s.find(s.file.Package, "%q names no thing: name the package after what it provides", word))
			}
		}
	}
	return found
}

func detectIsPure(w tree) []finding {
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	world := []string{"os", "net", "sync", "syscall", "golang.org/x/sync", "golang.org/x/sys"}
	var found []finding
	for _, s := range w.shipped() {
		if !s.in("detect") {
			continue
		}
		timePackage := "time"
		for name, spec := range s.imports() {
			if name == "time" && spec.Name != nil {
				timePackage = spec.Name.Name
			}
			if withinAny(name, world) && name != "net/netip" {
				found = append(found, s.find(spec.Pos(), "detect does no I/O and has one owner: move what needs %q to stream or cmd", name))
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				found = append(found, s.find(n.Pos(), "detect starts no goroutine: its caller does"))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == timePackage && slices.Contains(clock, n.Sel.Name) {
					found = append(found, s.find(n.Pos(), "time in detect is an argument, not time.%s", n.Sel.Name))
				}
			}
			return true
		})
	}
	return found
}

func noInit(w tree) []finding {
	var found []finding
	for _, s := range w.goFiles() {
		for _, f := range s.functions() {
			if f.Recv == nil && f.Name.Name == "init" {
				found = append(found, s.find(f.Pos(), "no init: let the caller construct it"))
			}
		}
	}
	return found
}

func noBlankImport(w tree) []finding {
	var found []finding
	for _, s := range w.shipped() {
		for name, spec := range s.imports() {
			if spec.Name != nil && spec.Name.Name == "_" && name != "embed" {
				found = append(found, s.find(spec.Pos(), "no registration by import of %q: name what is used of it", name))
			}
		}
	}
	return found
}

func fileLength(w tree) []finding {
	var found []finding
	for _, s := range w.shipped() {
		inFunction := func(c token.Pos) bool {
			return slices.ContainsFunc(s.functions(), func(f *ast.FuncDecl) bool { return begin(f) <= c && c < f.End() })
		}
		excused := slices.ContainsFunc(s.excuses(), func(c token.Pos) bool { return !inFunction(c) })
		if n := bytes.Count(s.text, []byte("\n")); n > maxFileLines && !excused {
			found = append(found, finding{s.path, maxFileLines + 1, fmt.Sprintf("the file has %d lines: split it, or say why in a line \"// long: reason\"", n)})
		}
	}
	return found
}

func funcLength(w tree) []finding {
	var found []finding
	for _, s := range w.shipped() {
		for _, f := range s.functions() {
			excused := slices.ContainsFunc(s.excuses(), func(c token.Pos) bool { return begin(f) <= c && c < f.End() })
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > maxFuncLines && !excused {
				found = append(found, s.find(f.Pos(), "%s has %d lines: split it, or say why in a line \"// long: reason\"", f.Name, n))
			}
		}
	}
	return found
}

func (s *source) functions() []*ast.FuncDecl {
	var all []*ast.FuncDecl
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			all = append(all, f)
		}
	}
	return all
}

// begin is where a function's comment begins, or the function that has none.
func begin(f *ast.FuncDecl) token.Pos {
	if f.Doc != nil {
		return f.Doc.Pos()
	}
	return f.Pos()
}

var excuse = regexp.MustCompile(`^// long: \S`)

// excuses returns the places of the file's "// long: reason" lines.
func (s *source) excuses() []token.Pos {
	var places []token.Pos
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if excuse.MatchString(c.Text) {
				places = append(places, c.Pos())
			}
		}
	}
	return places
}

func noStandardJSON(w tree) []finding {
	var found []finding
	for _, s := range w.shipped() {
		for name, spec := range s.imports() {
			if name == "encoding/json" && !s.in("tools") {
				found = append(found, s.find(spec.Pos(), "import github.com/segmentio/encoding/json: it is quicker, and its API is the same"))
			}
		}
	}
	return found
}

func noMocks(w tree) []finding {
	frameworks := []string{"github.com/stretchr/testify", "github.com/golang/mock", "go.uber.org/mock", "github.com/onsi/gomega", "github.com/onsi/ginkgo"}
	var found []finding
	for _, s := range w.goFiles() {
		for name, spec := range s.imports() {
			if withinAny(name, frameworks) {
				found = append(found, s.find(spec.Pos(), "no %s: use testing, go-cmp, and a real server in the process", name))
			}
		}
	}
	return found
}

// A path that begins with a home or work folder; "~/work/" and "example.org/home/" do not.
var machinePath = regexp.MustCompile(`(^|[^\w./~$})-])/(work|root|home)/`)

func noMachinePaths(w tree) []finding {
	return w.lines(machinePath, "%q is a path of one machine: write it relative to the project, or take it from the environment")
}

var leftForLater = regexp.MustCompile(`\b(TODO|FIXME)\b`)

func nothingLeftForLater(w tree) []finding {
	return w.shipped().lines(leftForLater, "%s: do it, drop it, or file it as an issue")
}

// lines finds every line that has a match; the advice is formatted with the match.
func (w tree) lines(bad *regexp.Regexp, advice string) []finding {
	var found []finding
	for _, s := range w {
		for i, line := range bytes.Split(s.text, []byte("\n")) {
			if m := bad.Find(line); m != nil {
				found = append(found, finding{s.path, i + 1, fmt.Sprintf(advice, bytes.TrimSpace(m))})
			}
		}
	}
	return found
}

var metricName = regexp.MustCompile(`^scanhound_[a-z]+_[a-z0-9_]+$`)

func metricNames(w tree) []finding {
	var found []finding
	for _, s := range w.shipped() {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				name, _ := strconv.Unquote(lit.Value)
				if strings.HasPrefix(name, "scanhound_") && !metricName.MatchString(name) {
					found = append(found, s.find(lit.Pos(), "%q is not scanhound_<program>_<what>_<unit>[_total]", name))
				}
			}
			return true
		})
	}
	return found
}
