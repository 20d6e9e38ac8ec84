package scanhound_test

import (
	"go/ast"
	"slices"
)

// purityRules say what code must not touch behind its caller's back.
var purityRules = []rule{
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
