package infer

import (
	"context"
	"errors"
	"fmt"
)

// Exit codes that this room gives to its own errors.
const (
	exitInternal = 1
	exitUsage    = 2
	exitFailed   = 5
	exitData     = 6
	exitOutput   = 7
)

// Error is a failure at one file.
type Error struct {
	Code  int // the exit code that it stands for
	Doing string
	Path  string
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("infer: %s %s: %v", e.Doing, e.Path, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the code that the failure stands for.
func (e *Error) ExitCode() int { return e.Code }

// ExitCode is the exit code that an error stands for: its own, that of the
// nearest cause which has one, 5 otherwise, and 0 for nil.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return exitFailed
}

// atFile wraps an error met at a file; a cause that has an exit code keeps it,
// and an ended ctx stays what it is.
func atFile(code int, doing, path string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		code = coded.ExitCode()
	}
	return &Error{Code: code, Doing: doing, Path: path, Err: err}
}
