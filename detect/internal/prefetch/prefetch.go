// Package prefetch asks the memory for lines that will be read soon. Nobody waits for them:
// a load that misses the caches holds up all that comes after it, a prefetch does not, so
// its time passes while something else is done.
//
// It changes nothing that can be seen but time, on processors for which there is no assembly
// not even that.
package prefetch

import "unsafe"

// LineSize is how much memory is read together.
const LineSize = 64

// Of is the address of what p points to, for Lines. As long as it is no pointer it keeps
// nothing alive, and what it was the address of may have moved or gone by the time that it is
// asked for: it must never be made a pointer again.
func Of[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// Size is how much memory a T takes.
func Size[T any]() uintptr { return unsafe.Sizeof(*new(T)) }
