// Package place knows where addresses are: their country and autonomous system
// from MaxMind databases, their site and whether they are ours from a file.
//
// Files are read again when they change. A changed file that cannot be read is
// logged and counted, and what was known stays. A Book may be used from any
// goroutine; an Annotator belongs to one.
package place
