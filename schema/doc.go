// Package schema holds what travels between scanhound's programs: a flow, an
// alert, and the names of the topics, groups and subjects that carry them,
// each with its version and its wire form.
//
// It promises that what one release writes the next one reads: unknown fields
// are skipped, field numbers and JSON names are never used again for something
// else. It does no I/O and owns no state.
package schema
