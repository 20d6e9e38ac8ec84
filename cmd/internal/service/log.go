package service

import (
	"io"
	"io/fs"
	"log/slog"
	"os"
)

// LogConfig are the settings of the logger, which every program has.
type LogConfig struct {
	Level  string `default:"info" enum:"debug,info,warn,error" help:"Least level that is written."`
	Format string `default:"auto" enum:"auto,text,json" help:"Form of a log line; auto is text on a terminal, else json."`
}

// handler returns what writes a log line to w.
func (c LogConfig) handler(w io.Writer) slog.Handler {
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
