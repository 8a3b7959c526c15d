package infer

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/model"
)

// Some models take a fixed number of rows at a time (model.Binding.Batch). Readers
// give any number of rows. batchRegrouper makes whole batches of them, so that only
// the last of a split is short.

// batchRegrouper joins and cuts batches into whole ones.
type batchRegrouper struct {
	mem  memory.Allocator
	size int64
	left batch // of the rows so far, fewer than size; record nil: none
}

// addBatch takes ownership of a batch. It returns the rows that make whole batches,
// which the caller releases. ok is false if there are none yet.
func (g *batchRegrouper) addBatch(b batch) (whole batch, ok bool, err error) {
	if g.left.record != nil {
		if b, err = g.prependLeft(b); err != nil {
			return batch{}, false, err
		}
	}
	n := b.record.NumRows()
	cut := n - n%g.size
	if cut == n {
		g.left = batch{}
		return b, true, nil
	}
	g.left = batch{}
	if cut == 0 {
		g.left = b
		return batch{}, false, nil
	}
	defer b.record.Release()
	whole, g.left = b, b
	whole.record, g.left.record = b.record.NewSlice(0, cut), b.record.NewSlice(cut, n)
	g.left.first, g.left.bytes = b.first+cut, 0 // which whole has
	whole.bad, g.left.bad = nil, nil
	for _, bad := range b.bad {
		if bad.Row < cut {
			whole.bad = append(whole.bad, bad)
			continue
		}
		bad.Row -= cut
		g.left.bad = append(g.left.bad, bad)
	}
	return whole, true, nil
}

// prependLeft returns the rows that are left followed by those of b.
func (g *batchRegrouper) prependLeft(b batch) (batch, error) {
	before := g.left
	g.left = batch{}
	defer before.record.Release()
	defer b.record.Release()
	shift := before.record.NumRows()
	columns := make([]arrow.Array, 0, b.record.NumCols())
	defer func() { release(columns) }()
	for i := range int(b.record.NumCols()) {
		column, err := array.Concatenate([]arrow.Array{before.record.Column(i), b.record.Column(i)}, g.mem)
		if err != nil {
			return batch{}, fmt.Errorf("infer: make batches of %d rows: %w", g.size, err)
		}
		columns = append(columns, column)
	}
	both := before
	both.record = array.NewRecord(b.record.Schema(), columns, shift+b.record.NumRows())
	both.bytes += b.bytes
	both.bad = slices.Clone(before.bad)
	for _, bad := range b.bad {
		bad.Row += shift
		both.bad = append(both.bad, bad)
	}
	return both, nil
}

// takeRest returns the rows that make no whole batch, which the caller releases. ok
// is false if there are none.
func (g *batchRegrouper) takeRest() (batch, bool) {
	b := g.left
	g.left = batch{}
	return b, b.record != nil
}

// checkWhole returns an error if a batch ends with a part of a model's batch and the
// model needs whole ones. That can only be the last batch of a split or partition.
func (p *pipeline) checkWhole(b batch) error {
	n := b.record.NumRows()
	p.computedRows += n
	if err := leftOver(p.bind, p.computedRows, n); err != nil {
		return p.locate(err, b)
	}
	return nil
}

// leftOver returns an error if rows, of which last are predicted now, make no whole
// batches and the model needs whole ones.
func leftOver(bind *model.Binding, rows, last int64) error {
	left := last % max(1, bind.Batch)
	if bind.Pad || left == 0 {
		return nil
	}
	return &model.MismatchError{Signature: bind.Signature, Problems: []string{fmt.Sprintf(
		"the model takes %d rows at a time, and of %d rows %d are left over: say pad_last_batch: true (--pad-last-batch) if its rows do not depend on one another, or give it whole batches",
		bind.Batch, rows, left)}}
}

// countedFiles bounds the files that Whole looks into.
const countedFiles = 1000

// Whole looks whether files hold whole batches, where that must be and their
// footers say how many rows they have. What it passes over is found when it is
// read.
func Whole(ctx context.Context, data *files.Dataset, bind *model.Binding) error {
	if data.Format() != files.Parquet || bind.Batch < 2 || bind.Pad {
		return nil
	}
	list := data.Files()
	for _, f := range list[:min(len(list), countedFiles)] {
		rows, known := files.CountRows(ctx, f.Path)
		if err := leftOver(bind, rows, rows); known && err != nil {
			return atFile(exit.BadData, "predict", f.Path, err)
		}
	}
	return nil
}

// fewestRows returns how few rows the model may be given.
func (p *pipeline) fewestRows() int {
	if p.bind.Pad {
		return 1
	}
	return max(1, int(p.bind.Batch))
}

// wholeFiles tells whether files must not be cut, because rows that are no whole
// batch are refused, and a cut makes some. A model that is not in sight, or is not
// what it should be, is for others to find.
func (c *Computation) wholeFiles() bool {
	if c.PadLastBatch {
		return false
	}
	signature, err := c.chooseSignature()
	return err == nil && signature.FixedRows() > 1
}

// CutBytes is what a split of data shall have, when so many tasks run at once; 0:
// a whole file.
func (c *Computation) CutBytes(data *files.Dataset, tasks int) int64 {
	if c.wholeFiles() {
		return 0
	}
	return data.SplitBytes(tasks)
}
