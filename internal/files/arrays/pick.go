package arrays

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Pick returns the named rows of an array, in the order of rows. The caller
// releases the result. Consecutive rows are a slice of a; other rows are copied
// into memory of mem.
func Pick(mem memory.Allocator, a arrow.Array, rows []int64) (arrow.Array, error) {
	var runs []arrow.Array
	defer func() { ReleaseArrays(runs) }()
	for i := 0; i < len(rows); {
		n := 1
		for i+n < len(rows) && rows[i+n] == rows[i]+int64(n) {
			n++
		}
		runs = append(runs, array.NewSlice(a, rows[i], rows[i]+int64(n)))
		i += n
	}
	switch len(runs) {
	case 0:
		return array.NewSlice(a, 0, 0), nil
	case 1:
		runs[0].Retain()
		return runs[0], nil
	}
	picked, err := array.Concatenate(runs, mem)
	if err != nil {
		return nil, fmt.Errorf("files: pick %d of %d rows of %s: %w", len(rows), a.Len(), a.DataType(), err)
	}
	return picked, nil
}
