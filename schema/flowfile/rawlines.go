package flowfile

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// RawLines yields the lines of one file as they stand, with their ends, unpacked. A
// line is valid until the next. One that is longer than 64 KiB is an error for which
// [IsLong] is true, and the others follow; any other error is the last.
func RawLines(name string, stdin io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in, err := open(name, stdin)
		if err != nil {
			yield(nil, err)
			return
		}
		defer in.close()
		for n := 1; ; n++ {
			line, err := readLine(in.Reader)
			switch {
			case err == io.EOF && len(line) == 0:
				return
			case err == nil || err == io.EOF:
				err = nil
			case err != errLongLine:
				yield(nil, fmt.Errorf("%s is read in part, up to line %d: %w", in.name, n, in.reason(err)))
				return
			}
			if !yield(line, err) {
				return
			}
		}
	}
}

// IsLong reports whether err is about one line that is too long.
func IsLong(err error) bool { return errors.Is(err, errLongLine) }
