package service

import (
	"runtime"
	"runtime/debug"
)

// Build says which build of the module a program is.
type Build struct {
	Version  string `json:"version"`  // of the module, "(devel)" where it has none
	Revision string `json:"revision"` // of the source tree, "unknown" where it was not one
	Time     string `json:"time"`     // of that revision, RFC 3339
	Modified bool   `json:"modified"` // the tree differed from its revision
	Go       string `json:"go"`
}

// Version returns what the Go linker wrote into this binary.
func Version() Build {
	b := Build{Version: "(devel)", Revision: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is one line for --version.
func (b Build) String() string {
	revision := b.Revision
	if b.Modified {
		revision += ", modified"
	}
	return b.Version + " (revision " + revision + ", " + b.Go + ")"
}
