package engine

/*
#include <stdint.h>
#include "tensorflow/c/c_api.h"

extern void returnMemory(uintptr_t loan);

static void endLoan(void *data, size_t bytes, void *loan) { returnMemory((uintptr_t)loan); }

static TF_Tensor *borrowTensor(TF_DataType type, const int64_t *shape, int dims, void *data, size_t bytes, uintptr_t loan) {
	return TF_NewTensor(type, shape, dims, data, bytes, endLoan, (void *)loan);
}
*/
import "C"

import (
	"runtime"
	"runtime/cgo"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/model"
)

// tensorAlignment is that of the memory of TensorFlow's tensors: EIGEN_MAX_ALIGN_BYTES.
// TF_NewTensor copies other memory (tf_tensor.cc).
const tensorAlignment = 64

// leastLoan is the size from which on a tensor that borrows costs less than a copy.
const leastLoan = 8 << 10

// loan is memory of a column that a tensor borrows.
type loan struct {
	column arrow.ArrayData
	pinned runtime.Pinner
}

// borrow makes a tensor of a part of a column's memory, which TensorFlow reads and never
// writes, because it does not own it. The column is kept until the last tensor that
// shares the memory is freed: a variable to which the graph assigns it may be one. nil: the
// memory is not aligned, or so small that a copy is better.
func borrow(d model.DType, shape []int64, raw []byte, column arrow.ArrayData) *tensor {
	if len(raw) < leastLoan || uintptr(unsafe.Pointer(unsafe.SliceData(raw)))%tensorAlignment != 0 {
		return nil
	}
	l := &loan{column: column}
	l.column.Retain()
	l.pinned.Pin(unsafe.SliceData(raw)) // Go's own memory; other memory is left alone
	handle := cgo.NewHandle(l)
	c := C.borrowTensor(C.TF_DataType(d), dims(shape), C.int(len(shape)), unsafe.Pointer(unsafe.SliceData(raw)), C.size_t(len(raw)), C.uintptr_t(handle))
	if c == nil {
		returnMemory(C.uintptr_t(handle))
		return nil
	}
	return &tensor{c}
}

// returnMemory ends a loan. TensorFlow calls it, in any thread.
//
//export returnMemory
func returnMemory(handle C.uintptr_t) {
	h := cgo.Handle(handle)
	l := h.Value().(*loan)
	h.Delete()
	l.pinned.Unpin()
	l.column.Release()
}
