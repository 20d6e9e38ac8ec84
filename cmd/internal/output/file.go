package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// file is a file of lines, which an agent of a SIEM follows. At a size it is set aside as
// NAME.1, and what was set aside before as NAME.2 and so on. A line is on disk before its
// offset is committed.
type file struct {
	path    string
	maxSize int64
	keep    int

	f     *os.File
	size  int64
	lines []byte
}

func (o *file) send(_ context.Context, docs []document) error {
	o.lines = o.lines[:0]
	for _, d := range docs {
		o.lines = append(append(o.lines, d.text...), '\n')
	}
	if err := o.ready(int64(len(o.lines))); err != nil {
		return err
	}
	n, err := o.f.Write(o.lines)
	o.size += int64(n)
	if err == nil {
		err = o.f.Sync()
	}
	if err != nil {
		o.close() // a part of a line may stand there: it is ended when the file is opened again
		return fmt.Errorf("write %s: %w", o.path, err)
	}
	return nil
}

// ready opens the file, or a new one where so much more would be too much. Somebody else may
// have taken the file away, as logrotate does: then a new one begins.
func (o *file) ready(more int64) error {
	if o.f != nil {
		if at, err := os.Stat(o.path); err != nil || !o.is(at) {
			o.close()
		}
	}
	if o.f != nil && o.size > 0 && o.size+more > o.maxSize {
		o.close()
		if err := o.setAside(); err != nil {
			return err
		}
	}
	if o.f != nil {
		return nil
	}
	f, err := os.OpenFile(o.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	o.f = f
	if o.size, err = f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	return o.endLine()
}

func (o *file) is(at os.FileInfo) bool {
	mine, err := o.f.Stat()
	return err == nil && os.SameFile(mine, at)
}

// endLine ends a line that was cut off when the program was.
func (o *file) endLine() error {
	last := make([]byte, 1)
	if o.size == 0 {
		return nil
	}
	if _, err := o.f.ReadAt(last, o.size-1); err != nil || last[0] == '\n' {
		return err
	}
	n, err := o.f.Write([]byte{'\n'})
	o.size += int64(n)
	return err
}

func (o *file) setAside() error {
	for n := o.keep; n > 0; n-- {
		from := fmt.Sprintf("%s.%d", o.path, n-1)
		if n == 1 {
			from = o.path
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", o.path, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (o *file) close() {
	if o.f != nil {
		_ = o.f.Close()
		o.f = nil
	}
}
