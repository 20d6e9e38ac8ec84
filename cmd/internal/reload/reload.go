// Package reload reads files again when they change or when SIGHUP asks for it, so
// that an operator's list takes effect without a restart. A changed file that cannot be used is logged
// and counted, and what it said before stays in force.
package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Files are files that are watched. All of them are added before Run; Edition
// and Broken may be called from any goroutine.
type Files struct {
	log     *slog.Logger
	files   []*file
	edition atomic.Uint64
	broken  atomic.Uint64
}

// file is one of the files, as it was when it was last read.
type file struct {
	setting string
	path    string
	changed time.Time
	size    int64
	take    func([]byte) error
}

// New returns no files yet.
func New(log *slog.Logger) *Files { return &Files{log: log} }

// Add reads the file that a setting names and hands its content to take, now and
// whenever it changes. An empty path is no file.
func (f *Files) Add(setting, path string, take func([]byte) error) error {
	if path == "" {
		return nil
	}
	one := &file{setting: setting, path: path, take: take}
	f.files = append(f.files, one)
	return f.read(one)
}

func (f *Files) read(one *file) error {
	info, err := os.Stat(one.path)
	if err != nil {
		return fmt.Errorf("%s: %w", one.setting, err)
	}
	content, err := os.ReadFile(one.path)
	if err != nil {
		return fmt.Errorf("%s: %w", one.setting, err)
	}
	one.changed, one.size = info.ModTime(), info.Size()
	if err := one.take(content); err != nil {
		return fmt.Errorf("%s: read %s: %w", one.setting, one.path, err)
	}
	f.edition.Add(1)
	return nil
}

// lookEvery is how often the files are looked at.
const lookEvery = 5 * time.Second

// Run reads files again when they change, and all of them at SIGHUP, until ctx
// ends. Where there are none, a SIGHUP that says that the terminal is gone ends the process.
func (f *Files) Run(ctx context.Context) error {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	asked := make(chan os.Signal, 1) // one that waits is enough: it reads all
	if len(f.files) > 0 {
		signal.Notify(asked, syscall.SIGHUP)
		defer signal.Stop(asked)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			f.refresh(false)
		case <-asked:
			f.refresh(true)
		}
	}
}

// Refresh looks at the files now. It belongs to the goroutine of Run.
func (f *Files) Refresh() { f.refresh(false) }

// refresh reads the files that have changed, or all.
func (f *Files) refresh(all bool) {
	for _, one := range f.files {
		info, err := os.Stat(one.path)
		if !all && err == nil && info.ModTime().Equal(one.changed) && info.Size() == one.size {
			continue
		}
		if err := f.read(one); err != nil {
			f.broken.Add(1)
			f.log.Error("a changed file cannot be used; what it said before stays in force", "error", err)
			// Until it changes once more there is nothing new to say, but for one that is gone.
			if errors.Is(err, os.ErrNotExist) {
				one.changed, one.size = time.Time{}, 0
			}
			continue
		}
		f.log.Info("file read again", "setting", one.setting, "path", one.path)
	}
}

// Edition moves on whenever a file was read.
func (f *Files) Edition() uint64 { return f.edition.Load() }

// Broken is how often a changed file could not be used.
func (f *Files) Broken() uint64 { return f.broken.Load() }
