package infer

import (
	"context"
	"errors"
	"fmt"

	"tfos/internal/exit"
)

// Error is a failure at one file.
type Error struct {
	Code  exit.Code // the exit code that it stands for
	Doing string
	Path  string
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("infer: %s %s: %v", e.Doing, e.Path, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the code that the failure stands for.
func (e *Error) ExitCode() exit.Code { return e.Code }

// ExitCode is the exit code that an error stands for: its own, that of the
// nearest cause which has one, Failed otherwise, and Done for nil.
func ExitCode(err error) exit.Code { return exit.CodeOf(err, exit.Failed) }

// atFile wraps an error met at a file; a cause that has an exit code keeps it,
// and an ended ctx stays what it is.
func atFile(code exit.Code, doing, path string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Code: exit.CodeOf(err, code), Doing: doing, Path: path, Err: err}
}
