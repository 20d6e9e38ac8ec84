package scanhound_test

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// nameRules say what things are called, and that packages say what they are.
var nameRules = []rule{
	{"every package has a comment", packageComments, []example{
		{"detect/a.go:1", `
-- detect/a.go --
package detect
-- detect/a_test.go --
// Package detect in a test says nothing to a reader of the package.
package detect
`}}},
	{"a package is named after what it provides", packageNames, []example{
		{"stream/utils/a.go:1", `
-- stream/utils/a.go --
package queue
`}, {"stream/queue/a.go:1", `
-- stream/queue/a.go --
package helpers
`}}},
	{"an error is logged under one key", errorKeys, []example{
		{"cmd/a.go:3", `
-- cmd/a.go --
package main

func f() { log.Warn("read", "err", err) }

func g() { log.Warn("read", "error", err) }
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

// errorKeys finds the other spelling: who searches the logs for "error" misses it.
func errorKeys(w tree) []finding {
	var found []finding
	for _, s := range w.shipped() {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && lit.Value == `"err"` {
				found = append(found, s.find(lit.Pos(), "log an error under \"error\""))
			}
			return true
		})
	}
	return found
}
