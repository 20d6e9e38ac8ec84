package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// A Program is one of the executables, as its users know it.
type Program struct {
	Name string // ingest; begins its error messages, is part of its metrics' names
	Help string // what it is for, above the flags in --help
	// Admin is the default of the setting admin, such as 127.0.0.1:9101. It
	// counts only where the command embeds [Config].
	Admin string
	// Others are the structs of the programs that may share its settings file.
	// Their keys and variables are no mistakes.
	Others []any
	// Variables are names SCANHOUND_... that are known though no setting has them.
	Variables []string
}

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

// Main is the body of a program's main: it fills cli as [Parse] does, runs the
// command that was asked for, and returns the status for os.Exit.
//
// The first SIGTERM or SIGINT ends the command's context, a second one the
// process, with 130 or 143.
func Main(p Program, cli any) int {
	ctx, release := catchSignals(os.Exit)
	defer release()
	return Run(ctx, p, cli, Process{os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr})
}

// Run is [Main] for a process that is given: a test, or a program in a program.
func Run(ctx context.Context, p Program, cli any, process Process) int {
	settings, err := Parse(p, cli, process.Args, process.Environ)
	if err != nil {
		complain(process.Stderr, p.Name, err)
		return ExitCode(err)
	}
	if settings.Text != "" {
		if _, err := io.WriteString(process.Stdout, settings.Text); err != nil {
			complain(process.Stderr, p.Name, err)
			return exitRuntime
		}
		return exitOK
	}
	if settings.command == nil {
		panic("BUG: " + p.Name + ": no Run(context.Context, *service.Service) error on what was asked for")
	}
	log := settings.common.Log.handler(process.Stderr)
	s := newService(p.Name, log)
	defer s.flush()
	s.Stdin, s.Stdout, s.Stderr = process.Stdin, process.Stdout, process.Stderr
	s.settings, s.shown = settings, string(settings.Masked())
	serving, serves := settings.command.(interface{ serviceConfig() Config })
	if serves {
		s.config = serving.serviceConfig()
	}
	if len(settings.Unknown) > 0 {
		s.Log.Warn("some variables name no setting", "variables", settings.Unknown)
	}
	err = settings.command.Run(ctx, s)
	var killed signalError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &killed):
		return killed.code()
	case serves:
		// Past the limit on repeats: a program's last words are not left out.
		s.flush()
		slog.New(log).Error("ended", "err", err, "code", ExitCode(err))
	default:
		complain(process.Stderr, p.Name, err)
	}
	return ExitCode(err)
}

// complain writes err for a person; of several wrong settings each has its line.
func complain(w io.Writer, name string, err error) {
	text := err.Error()
	var wrong settingsError
	if errors.As(err, &wrong) {
		text = strings.ReplaceAll(text, "\n", "\n"+name+": ")
	}
	if ExitCode(err) == exitUsage {
		text += "\nRun \"" + name + " --help\" for more information."
	}
	// Where stderr is gone, nobody is left to be told.
	_, _ = fmt.Fprintf(w, "%s: %s\n", name, text)
}
