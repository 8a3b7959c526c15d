package engine

import (
	"encoding/binary"
	"errors"
	"sort"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/model"
)

// A ragged tensor is fed as its parts (model.Parts). The first part has the values of
// all rows, one after another. Then each ragged dimension has row splits: where each
// list begins and ends in the dimension below (tf.RaggedTensor).

// raggedTensors copies a column of lists into the parts of a ragged tensor, in their
// order. The caller frees them. A null, or a list that does not fit an inner dimension
// of the tensor, is a *model.RowError.
func raggedTensors(column arrow.Array, in model.Input) ([]*tensor, error) {
	values, splits, err := splitLists(column, in)
	if err != nil {
		return nil, err
	}
	defer values.Release()
	inner := model.Input{Tensor: in.Parts.Tensors[0], Column: in.Column}
	t, err := toTensor(values, inner)
	var bad *model.RowError
	if errors.As(err, &bad) { // its row is an index of values, not of the column's rows
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

// splitLists follows the ragged dimensions of a column. splits has the row splits of
// each, outermost first. values are the elements of the innermost lists. The caller
// releases them.
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
		lists := values.(array.ListLike) // model.Check has checked the depth
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

// listOf returns the number of the list that has the element.
func listOf(splits []int64, element int64) int64 {
	return int64(sort.Search(len(splits)-1, func(i int) bool { return splits[i+1] > element }))
}
