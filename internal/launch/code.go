package launch

import (
	"errors"
	"fmt"
	"syscall"
)

// Code is an exit code of tfos. The values are stable: scripts and schedulers
// depend on them.
type Code int

const (
	Done        Code = 0   // the job succeeded
	Internal    Code = 1   // a defect of tfos, or of the machine under it
	Usage       Code = 2   // command line or job file
	NoSpark     Code = 3   // spark-submit missing or refused
	NotFormed   Code = 4   // the cluster did not form
	Failed      Code = 5   // program or node failed
	BadData     Code = 6   // data does not fit the model, or too many bad rows
	Output      Code = 7   // an output exists or could not be committed
	Stalled     Code = 8   // no member made progress, or less than was asked for
	Interrupted Code = 130 // SIGINT
	Terminated  Code = 143 // SIGTERM
)

// Meanings lists every code with its meaning, in ascending order, as the help
// of each command shows it.
var Meanings = []struct {
	Code Code
	Text string
}{
	{Done, "done"},
	{Internal, "internal error"},
	{Usage, "command line or job file"},
	{NoSpark, "spark-submit missing or refused"},
	{NotFormed, "cluster did not form"},
	{Failed, "program or node failed"},
	{BadData, "data does not fit the model, or too many bad rows"},
	{Output, "output exists or could not be committed"},
	{Stalled, "stalled, or slower than --min-throughput"},
	{Interrupted, "interrupted (SIGINT)"},
	{Terminated, "terminated (SIGTERM)"},
}

// Error is a failure that decides the exit code of tfos.
type Error struct {
	Code  Code
	Phase string // find spark, preflight, submit, …; "" when there is none
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// fail makes an Error of this room.
func fail(code Code, phase, format string, args ...any) *Error {
	return &Error{Code: code, Phase: phase, Err: fmt.Errorf("launch: "+format, args...)}
}

// Signal is the cause with which a context is cancelled when a person or a
// scheduler ended the run.
type Signal struct{ Signal syscall.Signal }

func (s Signal) Error() string { return "interrupted by " + signalName(s.Signal) }

// Code is 128 plus the signal's number, as shells have it.
func (s Signal) Code() Code { return Code(128 + int(s.Signal)) }

// CodeOf is the exit code for err: Done for nil, Internal for an error that
// names none.
func CodeOf(err error) Code {
	var e *Error
	var s Signal
	switch {
	case err == nil:
		return Done
	case errors.As(err, &e):
		return e.Code
	case errors.As(err, &s):
		return s.Code()
	}
	return Internal
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
