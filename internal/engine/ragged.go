package engine

import (
	"encoding/binary"
	"errors"
	"sort"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/model"
)

// A ragged tensor is fed as its parts (model.Parts): the values of all rows, one
// after another, and for each ragged dimension the row splits, which are where
// each list begins and ends in the dimension below (tf.RaggedTensor).

// raggedTensors makes the parts of a column of lists, in their order. They are the
// caller's. Nulls, and lists that an inner dimension of the tensor does not take,
// are a *model.RowError.
func raggedTensors(column arrow.Array, in model.Input) ([]*tensor, error) {
	values, splits, err := splitLists(column, in)
	if err != nil {
		return nil, err
	}
	defer values.Release()
	inner := model.Input{Tensor: in.Parts.Tensors[0], Column: in.Column}
	t, err := toTensor(values, inner)
	var bad *model.RowError
	if errors.As(err, &bad) { // it counts what the innermost ragged lists hold
		if bad.Reason == nullReason(0) {
			bad.Reason = nullReason(1)
		}
		for i := len(splits) - 1; i >= 0; i-- {
			bad.Row = listOf(splits[i], bad.Row)
		}
	}
	if err != nil {
		return nil, err
	}
	tensors := []*tensor{t}
	for i, split := range splits {
		part := in.Parts.Tensors[i+1]
		t, err := newTensor(part.Type, []int64{int64(len(split))})
		if err != nil {
			freeAll(tensors)
			return nil, inputError(in, err)
		}
		tensors = append(tensors, t)
		raw := t.bytes()[:0]
		for _, at := range split {
			if part.Type == model.Int32 {
				raw = binary.LittleEndian.AppendUint32(raw, uint32(at))
			} else {
				raw = binary.LittleEndian.AppendUint64(raw, uint64(at))
			}
		}
	}
	return tensors, nil
}

// splitLists goes down the ragged dimensions of a column. values are what the
// innermost lists hold, the caller's to release.
func splitLists(column arrow.Array, in model.Input) (values arrow.Array, splits [][]int64, err error) {
	values = column
	values.Retain()
	for level := range len(in.Parts.Tensors) - 1 {
		if i := firstNull(values, 0, values.Len()); i >= 0 {
			row := int64(i)
			for above := level - 1; above >= 0; above-- {
				row = listOf(splits[above], row)
			}
			values.Release()
			return nil, nil, rowError(in, row, nullReason(level))
		}
		lists := values.(array.ListLike) // model.Check has seen that it nests so deep
		split := make([]int64, 1, values.Len()+1)
		var start, end int64
		for i := range values.Len() {
			from, to := lists.ValueOffsets(i)
			if i == 0 {
				start = from
			}
			end = to
			split = append(split, to-start)
		}
		next := array.NewSlice(lists.ListValues(), start, end)
		values.Release()
		values, splits = next, append(splits, split)
	}
	return values, splits, nil
}

// listOf is the list in which an element lies.
func listOf(splits []int64, element int64) int64 {
	return int64(sort.Search(len(splits)-1, func(i int) bool { return splits[i+1] > element }))
}
