package scanhound_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// A file or a function longer than this is split, or says why in a line "// long: reason".
// A struct of more fields is several structs, or says why in a line "// wide: reason" above
// or in it. The functions of tests may be as long as their tables.
const (
	maxFileLines = 400
	maxFuncLines = 60
	maxFields    = 16
)

// sizeRules say when a thing is several things.
var sizeRules = []rule{
	{"a long file is split", fileLength, []example{
		{"schema/a.go:401", `
-- schema/a.go --
package schema
` + strings.Repeat("\n", maxFileLines) + `
-- schema/b.go --
package schema

// long: one table.
` + strings.Repeat("\n", maxFileLines)}, {"schema/a_test.go:401", `
-- schema/a_test.go --
package schema

// long: this is the comment of a function.
func f() {
}
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
	{"a wide struct is several", structWidth, []example{
		{"schema/a.go:17", `
-- schema/a.go --
package schema

// wide: as the message is.
type a struct {
	` + strings.Repeat("a, b int\n", 9) + `
}
type narrow struct{` + strings.Repeat("a, b int;", 8) + `}
type wide struct{` + strings.Repeat("a, b int;", 8) + `narrow }
`}}},
}

func fileLength(w tree) []finding {
	var found []finding
	for _, s := range w.goFiles() {
		inFunction := func(c token.Pos) bool {
			return slices.ContainsFunc(s.functions(), func(f *ast.FuncDecl) bool { return begin(f) <= c && c < f.End() })
		}
		excused := slices.ContainsFunc(s.excuses("long"), func(c token.Pos) bool { return !inFunction(c) })
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
			excused := slices.ContainsFunc(s.excuses("long"), func(c token.Pos) bool { return begin(f) <= c && c < f.End() })
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > maxFuncLines && !excused {
				found = append(found, s.find(f.Pos(), "%s has %d lines: split it, or say why in a line \"// long: reason\"", f.Name, n))
			}
		}
	}
	return found
}

// begin is where a function's comment begins, or the function that has none.
func begin(f *ast.FuncDecl) token.Pos {
	if f.Doc != nil {
		return f.Doc.Pos()
	}
	return f.Pos()
}

// excuses returns the places of the file's lines "// word: reason".
func (s *source) excuses(word string) []token.Pos {
	excuse := regexp.MustCompile("^// " + word + `: \S`)
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

func structWidth(w tree) []finding {
	var found []finding
	for _, s := range w.shipped() {
		for _, d := range s.file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range decl.Specs {
				t, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				of, ok := t.Type.(*ast.StructType)
				if !ok || fields(of) <= maxFields {
					continue
				}
				from := decl.Pos()
				for _, doc := range []*ast.CommentGroup{t.Doc, decl.Doc} {
					if doc != nil {
						from = min(from, doc.Pos())
					}
				}
				excused := slices.ContainsFunc(s.excuses("wide"), func(c token.Pos) bool { return from <= c && c < t.End() })
				if !excused {
					found = append(found, s.find(t.Pos(), "%s has %d fields: make it several structs, or say why in a line \"// wide: reason\"", t.Name, fields(of)))
				}
			}
		}
	}
	return found
}

// fields counts what can be named: "a, b int" are two, what is embedded is one.
func fields(of *ast.StructType) (n int) {
	for _, f := range of.Fields.List {
		n += max(1, len(f.Names))
	}
	return n
}
