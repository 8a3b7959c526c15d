package infer

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

// Pick is files.Pick, for what computes.
func Pick(mem memory.Allocator, a arrow.Array, rows []int64) (arrow.Array, error) {
	return files.Pick(mem, a, rows)
}
