// Package defaults reads the default values of settings off their tags, where they
// stand together with name and help, for callers that have no command line: one
// program that runs inside another, and tests.
//
// It is the only place beside cmd/internal/settings that knows how the tags are
// read, so that stream and schema need not.
package defaults

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// Of returns the settings of T, a struct of kong-tagged fields, as they are where
// nobody sets any. Nothing is looked up in the environment, and nothing is checked.
// Tags that cannot be read are our own mistake, and so is a default that only a
// program can fill in, such as ${admin}.
func Of[T any]() T {
	var settings T
	k, err := kong.New(&settings, kong.NoDefaultHelp())
	if err != nil {
		panic(fmt.Sprintf("BUG: settings of %T: %v", settings, err))
	}
	for _, group := range k.Model.AllFlags(false) {
		for _, f := range group {
			f.Envs, f.Tag.Envs = nil, nil
		}
	}
	line, err := kong.Trace(k, nil)
	if err == nil {
		err = line.Reset()
	}
	if err != nil {
		panic(fmt.Sprintf("BUG: defaults of %T: %v", settings, err))
	}
	return settings
}
