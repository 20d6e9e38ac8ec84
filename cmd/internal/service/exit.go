package service

import (
	"errors"

	"github.com/scanhound/scanhound/cmd/internal/settings"
)

// The exit codes of every scanhound program.
const (
	exitOK          = 0
	exitRuntime     = 1
	exitUsage       = 2 // the command line cannot be understood
	exitSettings    = 3 // a value in the file or the environment, or settings that contradict each other
	exitUnreachable = 4 // something that the program depends on does not answer
)

// ExitCode returns the status with which a program that met err ends: 0 without
// an error, 2 for usage, 3 for settings, 4 for what [Unreachable] returned, else 1.
func ExitCode(err error) int {
	var coded *codedError
	var wrong *settings.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &wrong) && wrong.Usage:
		return exitUsage
	case errors.As(err, &wrong):
		return exitSettings
	default:
		return exitRuntime
	}
}

// Unreachable says of err that a dependency does not answer, so that whoever
// started the program knows that trying later may help.
func Unreachable(err error) error { return withCode(exitUnreachable, err) }

// Misconfigured says of err that a setting has to be changed first. It is for
// what only Run can find out, such as a key file that does not hold a key.
func Misconfigured(err error) error { return withCode(exitSettings, err) }

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code: code, err: err}
}

type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }
