//go:build amd64 || arm64

package prefetch

// Lines asks for the lines of these addresses. They need not be those of anything: the
// processor leaves out what it may not read.
//
//go:noescape
func Lines(addresses []uintptr)
