package job

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tfos/internal/exit"
	"tfos/internal/store"
)

var (
	// ErrExists is wrapped by the fault of an output that is there already.
	ErrExists = errors.New("output exists")
	// ErrUnsupported is wrapped by faults of keys whose capability is not built yet.
	ErrUnsupported = errors.New("not supported yet")
)

// Fault is one broken rule of a job.
type Fault struct {
	// Path is the key, dotted: spark.conf.spark.cores.max. "" is the whole file.
	Path string
	// Value is what the key holds, "absent" for a key that must be given.
	Value string
	Rule  string
	// File and Line say where; Line is 0 for what came from a flag, whose text
	// is then in File.
	File string
	Line int
	// Code is the exit code that the fault stands for: 2, 4, 6 or 7.
	Code exit.Code
	// Err is the sentinel behind the fault, or nil.
	Err error

	order int // place among flags
}

// Error is "file:line: path: value: rule", without the parts that are empty.
func (f Fault) Error() string {
	var parts []string
	switch {
	case f.File != "" && f.Line > 0:
		parts = append(parts, fmt.Sprintf("%s:%d", f.File, f.Line))
	case f.File != "":
		parts = append(parts, f.File)
	}
	for _, p := range []string{f.Path, f.Value, f.Rule} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return store.HideSecrets(strings.Join(parts, ": "))
}

// Unwrap gives the sentinel behind the fault.
func (f Fault) Unwrap() error { return f.Err }

// Faults is every broken rule of a job, in the order of the file.
type Faults []Fault

// Error has one fault a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives every fault, for errors.Is and errors.As.
func (fs Faults) Unwrap() []error {
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f
	}
	return errs
}

// Code is the exit code of the whole: 2 when any fault is the job file's, else
// that of the first. 0: there is no fault.
func (fs Faults) Code() exit.Code {
	if len(fs) == 0 {
		return 0
	}
	for _, f := range fs {
		if f.Code == exit.Usage {
			return exit.Usage
		}
	}
	return fs[0].Code
}

// err is nil for no faults: a nil Faults in an error interface is not nil.
func (fs Faults) err() error {
	if len(fs) == 0 {
		return nil
	}
	fs.sort()
	return fs
}

// sort orders faults by line, flags after the file, then by key and rule.
func (fs Faults) sort() {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Rule, b.Rule))
	})
}

// NotSupported is the fault of a flag or key whose capability is not built yet.
func NotSupported(path, value string) Fault {
	return Fault{Path: path, Value: value, Rule: ErrUnsupported.Error(), Code: exit.Usage, Err: ErrUnsupported}
}
