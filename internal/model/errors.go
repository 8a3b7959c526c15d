package model

import (
	"fmt"
	"strings"

	"tfos/internal/exit"
)

// ModelError says why a model, or a part of it that a job names, cannot be used.
type ModelError struct {
	Path    string // the SavedModel's folder, the checkpoint's prefix, or a file
	Problem string
	Remedy  string
	Command string // a command or code that a user can copy, or ""
	Err     error  // may be nil
}

func (e *ModelError) Error() string {
	return fmt.Sprintf("model: %s: %s", e.Path, e.Reason())
}

// Reason returns the message without the path. The command is on a line of its own.
func (e *ModelError) Reason() string {
	s := e.Problem
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	switch {
	case e.Command != "":
		s += ": " + e.Remedy + "\n  " + e.Command
	case e.Remedy != "":
		s += " (" + e.Remedy + ")"
	}
	return s
}

func (e *ModelError) Unwrap() error { return e.Err }

// ExitCode is 2: the command line or the job file names the wrong thing.
func (e *ModelError) ExitCode() exit.Code { return exit.Usage }

// MismatchError holds every way in which columns and tensors do not fit.
type MismatchError struct {
	Signature string
	Problems  []string // at least one; inputs in alias order, then keep, then outputs
}

func (e *MismatchError) Error() string {
	what := fmt.Sprintf("signature %q", e.Signature)
	if e.Signature == "" {
		what = "the graph's tensors"
	}
	return fmt.Sprintf("model: the columns do not fit %s: %s", what, strings.Join(e.Problems, "; "))
}

// ExitCode is 6: the data does not fit the model.
func (e *MismatchError) ExitCode() exit.Code { return exit.BadData }

// NoColumn is RowError.Column if no single column is the cause.
const NoColumn = "-"

// RowError says that one row cannot become part of a tensor.
type RowError struct {
	Row    int64  // from 0, counted in the rows that the reporting function was given
	Column string // NoColumn: the row as a whole
	Reason string
}

func (e *RowError) Error() string {
	return fmt.Sprintf("row %d, column %q: %s", e.Row, e.Column, e.Reason)
}

// ExitCode is 6: the data does not fit the model.
func (e *RowError) ExitCode() exit.Code { return exit.BadData }

// RowErrors are the rows of a batch that cannot become part of a tensor, or whose
// outputs no column can hold. There is at least one. They are in row order, each row
// once.
type RowErrors []*RowError

func (e RowErrors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	return fmt.Sprintf("%v (and %d rows more)", e[0], len(e)-1)
}

func (e RowErrors) Unwrap() error { return e[0] }

// MemoryError says that a device or the process had too little memory for a batch. Fewer
// rows may fit.
type MemoryError struct {
	Doing string // such as "run signature serving_default"
	Err   error  // TensorFlow's error
}

func (e *MemoryError) Error() string { return fmt.Sprintf("model: %s: %v", e.Doing, e.Err) }

func (e *MemoryError) Unwrap() error { return e.Err }

// GraphError says that the graph failed on a batch, and that a value of the batch may
// be the cause.
type GraphError struct {
	Doing string // such as "run signature serving_default"
	Err   error  // TensorFlow's error
}

func (e *GraphError) Error() string { return fmt.Sprintf("model: %s: %v", e.Doing, e.Err) }

func (e *GraphError) Unwrap() error { return e.Err }
