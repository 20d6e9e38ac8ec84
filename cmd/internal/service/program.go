package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/scanhound/scanhound/cmd/internal/memory"
	"github.com/scanhound/scanhound/cmd/internal/settings"
)

// A Command is a struct of settings that can be run: a program, or one of its
// commands. ctx ends with the first SIGTERM or SIGINT. The error that Run returns
// is told to the user and decides the [ExitCode].
type Command interface {
	Run(ctx context.Context, s *Service) error
}

// Process is what a program gets from whoever starts it.
type Process struct {
	Args           []string // without the program's name
	Environ        []string // NAME=value
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Main is the body of a program's main: it fills cli as [settings.Parse] does, runs the
// command that was asked for, and returns the status for os.Exit.
//
// The first SIGTERM or SIGINT ends the command's context, a second one the
// process, with 130 or 143.
func Main(p settings.Program, cli any) int {
	ctx, release := catchSignals(os.Exit)
	defer release()
	return Run(ctx, p, cli, Process{os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr})
}

// Run is [Main] for a process that is given: a test, or a program in a program.
func Run(ctx context.Context, p settings.Program, cli any, process Process) int {
	parsed, err := settings.Parse(p, cli, process.Args, process.Environ)
	if err != nil {
		complain(process.Stderr, p.Name, err)
		return ExitCode(err)
	}
	if parsed.Help != "" || parsed.Version {
		text := parsed.Help
		if parsed.Version {
			text = p.Name + " " + Version().String() + "\n"
		}
		if _, err := io.WriteString(process.Stdout, text); err != nil {
			complain(process.Stderr, p.Name, err)
			return exitRuntime
		}
		return exitOK
	}
	command, ok := parsed.Command.(Command)
	if !ok {
		panic("BUG: " + p.Name + ": no Run(context.Context, *service.Service) error on what was asked for")
	}
	log := handler(parsed.Log(), process.Stderr)
	s := newService(p.Name, log)
	defer s.flush()
	s.Stdin, s.Stdout, s.Stderr = process.Stdin, process.Stdout, process.Stderr
	s.settings, s.shown = parsed, string(parsed.Masked())
	serving, serves := command.(interface{ serviceConfig() Config })
	if serves {
		s.config = serving.serviceConfig()
	}
	memory.Respect(s.Log)
	if len(parsed.Unknown) > 0 {
		s.Log.Warn("some variables name no setting", "variables", parsed.Unknown)
	}
	err = command.Run(ctx, s)
	var killed signalError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &killed):
		return killed.code()
	case serves:
		// Past the limit on repeats: a program's last words are not left out.
		s.flush()
		slog.New(log).Error("ended", "error", err, "code", ExitCode(err))
	default:
		complain(process.Stderr, p.Name, err)
	}
	return ExitCode(err)
}

// complain writes err for a person; of several wrong settings each has its line.
func complain(w io.Writer, name string, err error) {
	text := err.Error()
	var wrong *settings.Error
	if errors.As(err, &wrong) {
		text = strings.ReplaceAll(text, "\n", "\n"+name+": ")
	}
	if ExitCode(err) == exitUsage {
		text += "\nRun \"" + name + " --help\" for more information."
	}
	// Where stderr is gone, nobody is left to be told.
	_, _ = fmt.Fprintf(w, "%s: %s\n", name, text)
}
