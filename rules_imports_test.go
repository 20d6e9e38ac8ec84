package scanhound_test

import (
	"path"
	"slices"
	"strings"
)

// importRules say who may know whom.
var importRules = []rule{
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
`}, {"detect/orient/a.go:5", `
-- detect/orient/a.go --
package orient

import (
	"github.com/scanhound/scanhound/schema"
	"github.com/scanhound/scanhound/detect"
)
`}, {"detect/internal/wire/a.go:4", `
-- detect/internal/wire/a.go --
package wire

import "github.com/scanhound/scanhound/detect/internal/sliding"
import "github.com/scanhound/scanhound/schema"
-- detect/internal/story/a.go --
package story

import "github.com/scanhound/scanhound/schema"
import "github.com/scanhound/scanhound/detect/orient"
import "github.com/scanhound/scanhound/detect/internal/flowtest"
`}, {"detect/internal/flowtest/a.go:4", `
-- detect/internal/flowtest/a.go --
package flowtest

import "github.com/scanhound/scanhound/schema"
import "github.com/scanhound/scanhound/detect"
`}, {"internal/defaults/a.go:3", `
-- internal/defaults/a.go --
package defaults

import "github.com/scanhound/scanhound/schema"
-- internal/defaults/a_test.go --
package defaults_test

import "github.com/scanhound/scanhound/internal/defaults"
`}, {"schema/a.go:3", `
-- schema/a.go --
package schema

import "github.com/scanhound/scanhound/internal/defaults"
`}, {"cmd/internal/settings/a.go:3", `
-- cmd/internal/settings/a.go --
package settings
import "github.com/scanhound/scanhound/cmd/internal/yamlfile"
import "github.com/scanhound/scanhound/cmd/internal/service"
`}, {"cmd/internal/yamlfile/a.go:3", `
-- cmd/internal/yamlfile/a.go --
package yamlfile

import "github.com/scanhound/scanhound/cmd/internal/settings"
`}}},
	{"what makes tests is for tests", testRoomsAreForTests, []example{
		{"detect/a.go:3", `
-- detect/a.go --
package detect

import "github.com/scanhound/scanhound/detect/internal/flowtest"
-- detect/a_test.go --
package detect

import "github.com/scanhound/scanhound/detect/internal/flowtest"
-- detect/internal/story/a.go --
package story

import "github.com/scanhound/scanhound/detect/internal/flowtest"
`}}},
	{"programs are no libraries", programsAreNoLibraries, []example{
		{"cmd/internal/detector/a.go:4", `
-- cmd/internal/detector/a.go --
package detector

import "github.com/scanhound/scanhound/cmd/internal/place"
import "github.com/scanhound/scanhound/cmd/internal/ingest"
-- cmd/internal/detector/a_test.go --
package detector_test

import "github.com/scanhound/scanhound/cmd/internal/detector"
-- cmd/scanhound/a.go --
package main

import "github.com/scanhound/scanhound/cmd/internal/ingest"
`}, {"cmd/internal/explain/a_test.go:3", `
-- cmd/internal/explain/a_test.go --
package explain

import "github.com/scanhound/scanhound/cmd/internal/detector"
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
}

// A layer tells what of ours the files of a folder may import. Their tests may use the captures too.
type layer struct {
	folder string
	may    []string
}

// The first layer that holds a file counts; what is in none imports nothing of ours.
var layers = []layer{
	{"internal/defaults", nil},
	{"schema", []string{"schema"}},
	{"detect/internal/flowtest", []string{"schema"}},                             // what tests are made of
	{"detect/internal/story", []string{"schema", "detect", "internal/defaults"}}, // the tests' language: flows in, alerts out
	{"detect/internal", []string{"detect/internal"}},
	{"detect/orient", []string{"schema", "detect/orient", "detect/internal"}},
	{"detect", []string{"schema", "detect"}},
	{"stream", []string{"schema", "stream"}},
	{"console", []string{"schema", "stream", "console"}},
	{"lab", []string{"lab"}},
	{"cmd/internal/yamlfile", nil},
	{"cmd/internal/settings", []string{"cmd/internal/settings", "cmd/internal/yamlfile", "internal/defaults"}},
	{"cmd/internal/service", []string{"schema", "stream", "cmd/internal"}},
	{"cmd", []string{"schema", "detect", "stream", "console", "lab", "cmd", "internal/defaults"}},
}

// The rooms that tests are made in: no program has them within.
var testRooms = []string{"schema/flowmix", "detect/internal/flowtest", "detect/internal/story"}

// The programs: what two of them need stands in a room beside them. The mains and
// scanhound, which is all of them in one process, start them.
var programs = []string{"cmd/internal/ingest", "cmd/internal/detector", "cmd/internal/alerter"}

func importDirections(w tree) []finding {
	var found []finding
	for _, s := range w.goFiles() {
		var may []string
		if i := slices.IndexFunc(layers, func(l layer) bool { return s.in(l.folder) }); i >= 0 {
			may = layers[i].may
		}
		for name, spec := range s.imports() {
			ours, ok := strings.CutPrefix(name, module+"/")
			if !ok || withinAny(ours, may) || s.test() && (ours == path.Dir(s.path) || within(ours, "lab") || ours == "internal/defaults") {
				continue
			}
			found = append(found, s.find(spec.Pos(), "%s may import of ours only %q, not %s: let cmd hand it in", path.Dir(s.path), may, ours))
		}
	}
	return found
}

func testRoomsAreForTests(w tree) []finding {
	var found []finding
	for _, s := range w.shipped() {
		for name, spec := range s.imports() {
			ours, _ := strings.CutPrefix(name, module+"/")
			if withinAny(ours, testRooms) && !withinAny(path.Dir(s.path), testRooms) {
				found = append(found, s.find(spec.Pos(), "%s makes tests: only tests import it", ours))
			}
		}
	}
	return found
}

func programsAreNoLibraries(w tree) []finding {
	var found []finding
	for _, s := range w.goFiles() {
		for name, spec := range s.imports() {
			ours, _ := strings.CutPrefix(name, module+"/")
			if s.in("cmd/internal") && withinAny(ours, programs) && ours != path.Dir(s.path) {
				found = append(found, s.find(spec.Pos(), "%s is a program: move what %s needs of it to a room beside both", ours, path.Dir(s.path)))
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
