package scanhound_test

import "regexp"

// textRules look at every line of every file.
var textRules = []rule{
	{"no path of one machine", noMachinePaths, []example{
		{"README.md:2", `
-- README.md --
See https://example.org/home/ and ~/work/flows,
or /` + `home/me/flows.
`}}},
	{"nothing is left for later", nothingLeftForLater, []example{
		{"schema/a.go:3", `
-- schema/a.go --
package schema

// TODO: decode options.
`}}},
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
