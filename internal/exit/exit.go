// Package exit is the table of tfos's exit codes: their names in Go and their
// meanings. It imports nothing of tfos. The values are stable, because scripts and
// schedulers depend on them. scripts/tfos/exits.py has the codes that Python uses. A
// test compares it, the help and the documentation with this table.
package exit

import "errors"

// Code is an exit code of tfos.
type Code int

const (
	Done        Code = 0   // the job succeeded
	Internal    Code = 1   // a defect of tfos or of the machine
	Usage       Code = 2   // command line or job file
	NoSpark     Code = 3   // spark-submit missing or refused
	NotFormed   Code = 4   // the cluster did not form
	Failed      Code = 5   // program or node failed
	BadData     Code = 6   // data does not fit the model, or too many bad rows
	Output      Code = 7   // an output exists or could not be committed
	Stalled     Code = 8   // no member made progress, or the run was slower than --min-throughput
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

// Meaning returns the code's meaning, or "unknown".
func (c Code) Meaning() string {
	for _, m := range Meanings {
		if m.Code == c {
			return m.Text
		}
	}
	return "unknown"
}

// Coded is an error that has an exit code.
type Coded interface {
	error
	ExitCode() Code
}

// CodeOf returns the exit code of the first error in err's chain that has one, else
// otherwise. For nil it returns Done.
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
