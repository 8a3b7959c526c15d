package launch

import (
	"fmt"
	"syscall"

	"tfos/internal/exit"
)

// Error is a failure that decides the exit code of tfos.
type Error struct {
	Code  exit.Code
	Phase string // find spark, preflight, submit, …; "" if none applies
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ExitCode returns Code.
func (e *Error) ExitCode() exit.Code { return e.Code }

// fail makes an Error of this room.
func fail(code exit.Code, phase, format string, args ...any) *Error {
	return &Error{Code: code, Phase: phase, Err: fmt.Errorf("launch: "+format, args...)}
}

// Signal is the cause of a context that a person or a scheduler cancelled by a
// signal.
type Signal struct{ Signal syscall.Signal }

func (s Signal) Error() string { return "interrupted by " + signalName(s.Signal) }

// ExitCode returns 128 plus the signal's number, as in shells.
func (s Signal) ExitCode() exit.Code { return exit.Code(128 + int(s.Signal)) }

// CodeOf returns the exit code for err: Done for nil, and Internal for an error
// without a code.
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
