package scanhound_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

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
		case !d.Type().IsRegular(), name == ".git": // a file in a worktree
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

func (s *source) functions() []*ast.FuncDecl {
	var all []*ast.FuncDecl
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			all = append(all, f)
		}
	}
	return all
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
