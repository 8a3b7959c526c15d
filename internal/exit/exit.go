// Package exit is the table of tfos's exit codes: what each is called in Go, and
// what it means in words. It imports nothing of tfos. The values are stable:
// scripts and schedulers depend on them. scripts/tfos/exits.py has those that
// Python gives; a test holds it, the help and the documentation against the table.
package exit

import "errors"

// Code is an exit code of tfos.
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

// Meaning is the code in words.
func (c Code) Meaning() string {
	for _, m := range Meanings {
		if m.Code == c {
			return m.Text
		}
	}
	return "unknown"
}

// Coded is an error that stands for an exit code.
type Coded interface {
	error
	ExitCode() Code
}

// CodeOf is the code of the nearest cause of err that has one, and otherwise for an
// error that has none; Done for nil.
func CodeOf(err error, otherwise Code) Code {
	var coded Coded
	switch {
	case err == nil:
		return Done
	case errors.As(err, &coded):
		return coded.ExitCode()
	}
	return otherwise
}
