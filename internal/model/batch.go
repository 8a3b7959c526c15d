package model

import "fmt"

// scalar reports whether the tensor has one value for the whole batch.
func (t Tensor) scalar() bool { return !t.UnknownRank && len(t.Shape) == 0 }

// unfed returns what a user can do about an input that no column feeds.
func (t Tensor) unfed() string {
	if t.scalar() {
		return fmt.Sprintf("it has one value for all rows: give it as constants: {%s: …} (--constant %s=…)", t.Alias, t.Alias)
	}
	return "no column feeds it: name one in input_mapping"
}

// settleBatch sets Batch, if an input's shape fixes the number of rows, and Pad. It
// returns what contradicts them.
func (b *Binding) settleBatch(m Mapping) (problems []string) {
	var open, fixed *Input
	for i := range b.Inputs {
		in := &b.Inputs[i]
		switch {
		case in.UnknownRank || len(in.Shape) == 0:
		case in.Shape[0] < 0:
			open = in
		case fixed == nil:
			fixed = in
		case fixed.Shape[0] != in.Shape[0]:
			problems = append(problems, fmt.Sprintf("inputs %s and %s: the first dimension of one is fixed at %d and of the other at %d: give the one that does not hold rows in constants",
				fixed.Alias, in.Alias, fixed.Shape[0], in.Shape[0]))
		}
	}
	if fixed != nil {
		b.Batch = fixed.Shape[0]
		problems = append(problems, b.checkFixed(fixed, open, m)...)
	}
	b.Pad = m.PadLastBatch
	if b.Pad && b.Batch <= 1 {
		takes := "any number of rows at a time"
		if b.Batch == 1 {
			takes = "one row at a time"
		}
		problems = append(problems, fmt.Sprintf("pad_last_batch: the model takes %s: remove the key", takes))
	}
	for _, o := range b.Outputs {
		if len(o.Shape) > 0 && o.Shape[0] >= 0 && o.Shape[0] != b.Batch {
			problems = append(problems, fmt.Sprintf("output %s: the tensor is %s, of %d rows for any batch, not one value a row: choose other outputs with output_mapping",
				o.Alias, o.Tensor, o.Shape[0]))
		}
	}
	return problems
}

// checkFixed returns what contradicts a fixed number of rows. open is an input that
// takes any number of rows, or nil.
func (b *Binding) checkFixed(fixed, open *Input, m Mapping) (problems []string) {
	switch {
	case fixed.Shape[0] == 0:
		problems = append(problems, fmt.Sprintf("input %s: the tensor %s has no rows", fixed.Alias, fixed.Tensor))
	case open != nil:
		problems = append(problems, fmt.Sprintf("input %s: its first dimension is fixed at %d, and that of %s is open: give %s in constants if it does not hold rows, or export both with a batch dimension of None",
			fixed.Alias, fixed.Shape[0], open.Alias, fixed.Alias))
	case b.Batch > 1 && m.ToleratesBadRows && !m.PadLastBatch:
		problems = append(problems, fmt.Sprintf("on_bad_row: the model takes %d rows at a time (input %s), and a bad row leaves fewer: say pad_last_batch: true (--pad-last-batch) if its rows do not depend on one another, or on_bad_row: fail",
			b.Batch, fixed.Alias))
	}
	return problems
}

// WholeBatches rounds rows down to a multiple of the batch size, but returns one
// batch at least.
func (b *Binding) WholeBatches(rows int) int {
	size := max(1, int(b.Batch))
	return max(size, rows-rows%size)
}

// FixedRows returns the number of rows that the shapes of the signature's inputs
// fix. 0: none does.
func (s *Signature) FixedRows() int64 {
	rows := int64(0)
	for _, t := range s.Inputs {
		if len(t.Shape) > 0 && t.Shape[0] > 0 {
			rows = t.Shape[0]
		}
	}
	return rows
}
