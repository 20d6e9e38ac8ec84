// Package scanhound_test checks what of the house rules in DESIGN.md a machine can check: the
// direction of imports, names, lengths, what detect must not touch. Each rule is seen to fail.
// The rules stand in files of one subject, each beside its bad examples and its check.
package scanhound_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/scanhound/scanhound"

var rules = slices.Concat(importRules, nameRules, purityRules, sizeRules, textRules)

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
