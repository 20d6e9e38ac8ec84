package service

import (
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/scanhound/scanhound/cmd/internal/settings"
)

// handler returns what writes a log line to w.
func handler(c settings.Log, w io.Writer) slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		panic("BUG: log level: " + err.Error()) // the enum has only what slog knows
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "text" || c.Format == "auto" && isTerminal(w) {
		return slog.NewTextHandler(w, options)
	}
	return slog.NewJSONHandler(w, options)
}

// isTerminal takes any character device for one. /dev/null is none, but what is
// written there has no form.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}
