// Package explain answers for a person why there is an alert of a source or none:
// what is asked about, and what is held of it, which rules it meets and what keeps
// the others silent.
package explain
