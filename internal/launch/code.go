package launch

import (
	"fmt"
	"syscall"

	"tfos/internal/exit"
)

// Error is a failure that decides the exit code of tfos.
type Error struct {
	Code  exit.Code
	Phase string // find spark, preflight, submit, …; "" when there is none
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ExitCode is Code.
func (e *Error) ExitCode() exit.Code { return e.Code }

// fail makes an Error of this room.
func fail(code exit.Code, phase, format string, args ...any) *Error {
	return &Error{Code: code, Phase: phase, Err: fmt.Errorf("launch: "+format, args...)}
}

// Signal is the cause with which a context is cancelled when a person or a
// scheduler ended the run.
type Signal struct{ Signal syscall.Signal }

func (s Signal) Error() string { return "interrupted by " + signalName(s.Signal) }

// ExitCode is 128 plus the signal's number, as shells have it.
func (s Signal) ExitCode() exit.Code { return exit.Code(128 + int(s.Signal)) }

// CodeOf is the exit code for err: Done for nil, Internal for an error that
// names none.
func CodeOf(err error) exit.Code {
	return exit.CodeOf(err, exit.Internal)
}

func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGHUP:
		return "SIGHUP"
	case syscall.SIGKILL:
		return "SIGKILL"
	}
	return fmt.Sprintf("signal %d (%s)", int(s), s)
}
