package infer

import (
	"fmt"

	"tfos/internal/exit"
	"tfos/internal/oneline"
)

// BadRows is what a job does with a row that cannot be predicted.
type BadRows string

// The ways, as job files spell them.
const (
	Fail       BadRows = "fail" // the run fails; "" is the same
	Skip       BadRows = "skip"
	Quarantine BadRows = "quarantine" // skipped, and put into a file of its own
)

// toleratesBadRows says whether the request continues without its bad rows.
func (c *Computation) toleratesBadRows() bool { return c.OnBadRow == Skip || c.OnBadRow == Quarantine }

// hopeless is for how many single rows the graph may fail before it has worked for
// any. More failures are the graph's fault, and each row costs up to two runs.
const hopeless = 1000

// BadRow is a row without a prediction.
type BadRow struct {
	File   string `json:"file,omitempty"`
	Offset int64  `json:"offset"` // of its split in the file
	// Partition is Spark's, where its tasks bring the rows: then there is no file,
	// and Row counts from the partition's first. nil: tfos reads files.
	Partition *int  `json:"partition,omitempty"`
	Row       int64 `json:"row"` // of the file, from 0
	// InSplit says that Row counts from the split's first row: how many rows of a text
	// or TFRecord file come before is not known.
	InSplit bool `json:"in_split,omitempty"`

	Column string `json:"column"` // "-": none is to blame
	Reason string `json:"reason"`
	graph  bool   // the graph failed for it
}

func (b *BadRow) String() string {
	return fmt.Sprintf("%s: row %d, column %q: %s", b.place(), b.Row, b.Column, b.Reason)
}

// place returns what Row counts from, for messages.
func (b *BadRow) place() string {
	switch {
	case b.Partition != nil:
		return fmt.Sprintf("partition %d", *b.Partition)
	case b.InSplit && b.Offset > 0:
		return fmt.Sprintf("%s, from byte %d", b.File, b.Offset)
	}
	return b.File
}

// Account counts rows: Read = Rows + Skipped + Quarantined.
type Account struct {
	Read        int64 `json:"read"`
	Rows        int64 `json:"rows"` // predicted
	Skipped     int64 `json:"skipped"`
	Quarantined int64 `json:"quarantined"`
	// GraphFailed counts the bad rows for which the graph itself failed.
	GraphFailed int64 `json:"graph_failed,omitempty"`
}

// Add adds another account.
func (a *Account) Add(b Account) {
	a.Read += b.Read
	a.Rows += b.Rows
	a.Skipped += b.Skipped
	a.Quarantined += b.Quarantined
	a.GraphFailed += b.GraphFailed
}

// Bad returns the number of bad rows.
func (a Account) Bad() int64 { return a.Skipped + a.Quarantined }

// Balance returns an error if the account does not add up.
func (a Account) Balance() error {
	if a.Read == a.Rows+a.Skipped+a.Quarantined {
		return nil
	}
	return fmt.Errorf("%d rows read, but %d predicted, %d skipped and %d quarantined", a.Read, a.Rows, a.Skipped, a.Quarantined)
}

// BadRowsError says that a job has more bad rows than it takes.
type BadRowsError struct{ Problem string }

func (e *BadRowsError) Error() string { return e.Problem }

// ExitCode is 6: the data does not fit the model.
func (e *BadRowsError) ExitCode() exit.Code { return exit.BadData }

// Judge says whether a job with this account, and this first bad row, may have its
// output: not when more than max per cent of its rows are bad (nil: no limit), nor
// when the graph has worked for no row at all, which is no row's fault, unless max
// is 100.
func Judge(a Account, first *BadRow, max *float64) error {
	switch {
	case max != nil && beyond(a.Bad(), a.Read, *max):
		return tooMany(a.Bad(), a.Read, *max, first)
	case a.Rows == 0 && a.GraphFailed > 0 && (max == nil || *max < 100):
		return noneWorked(a.GraphFailed, first)
	}
	return nil
}

// beyond says whether bad of all rows are more than max per cent. The factor is
// for shares that no float holds: 57 of 10,000 are 0.57%.
func beyond(bad, all int64, max float64) bool {
	return float64(bad)*100 > max*float64(all)*(1+1e-12)
}

func tooMany(bad, all int64, max float64, first *BadRow) error {
	return &BadRowsError{fmt.Sprintf("%d of %d rows are bad (%.3g%%), and max_bad is %g%%; the first is %v", bad, all, 100*float64(bad)/float64(all), max, first)}
}

func noneWorked(failed int64, first *BadRow) error {
	return &BadRowsError{fmt.Sprintf("the graph failed for each of %d rows and worked for none: look at the model and its inputs "+
		"(max_bad: 100%% takes even that); the first is %v", failed, first)}
}

// reasonBytes bounds what is told of why a row is bad: TensorFlow names every
// node on the way.
const reasonBytes = 500

// oneLine is a reason as files and messages have it.
func oneLine(err error) string {
	return oneline.Of(err.Error(), reasonBytes)
}
