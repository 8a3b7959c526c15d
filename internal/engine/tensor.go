package engine

/*
#include <stdlib.h>
#include "tensorflow/c/c_api.h"

// freeTexts is the deallocator of a string tensor. TF_DeleteTensor alone frees only
// the 24 bytes of each string, and not the memory that a longer string points to.
static void freeTexts(void *data, size_t bytes, void *unused) {
	TF_TString *texts = (TF_TString *)data;
	for (size_t i = 0; i < bytes / sizeof(TF_TString); i++) TF_TString_Dealloc(&texts[i]);
	free(data);
}

static TF_Tensor *newTexts(const int64_t *shape, int dims, size_t n) {
	TF_TString *texts = (TF_TString *)calloc(n ? n : 1, sizeof(TF_TString));
	if (texts == NULL) return NULL;
	for (size_t i = 0; i < n; i++) TF_TString_Init(&texts[i]);
	return TF_NewTensor(TF_STRING, shape, dims, texts, n * sizeof(TF_TString), freeTexts, NULL);
}

static void setText(TF_Tensor *t, size_t i, const char *from, size_t bytes) {
	TF_TString_Copy((TF_TString *)TF_TensorData(t) + i, from, bytes);
}

static void findTexts(TF_Tensor *t, size_t n, const char **at, size_t *bytes) {
	TF_TString *texts = (TF_TString *)TF_TensorData(t);
	for (size_t i = 0; i < n; i++) {
		at[i] = TF_TString_GetDataPointer(&texts[i]);
		bytes[i] = TF_TString_GetSize(&texts[i]);
	}
}
*/
import "C"

import (
	"fmt"
	"unsafe"

	"tfos/internal/model"
)

// tensor is a tensor in TensorFlow's memory. Its owner must call free: there is no
// finalizer.
type tensor struct{ c *C.TF_Tensor }

// newTensor makes a tensor of numbers or bools whose elements are not set.
func newTensor(d model.DType, shape []int64) (*tensor, error) {
	bytes := int64(C.TF_DataTypeSize(C.TF_DataType(d))) * elementCount(shape)
	return wrapTensor(C.TF_AllocateTensor(C.TF_DataType(d), dims(shape), C.int(len(shape)), C.size_t(bytes)), shape)
}

// newTexts makes a tensor of empty strings.
func newTexts(shape []int64) (*tensor, error) {
	return wrapTensor(C.newTexts(dims(shape), C.int(len(shape)), C.size_t(elementCount(shape))), shape)
}

func wrapTensor(c *C.TF_Tensor, shape []int64) (*tensor, error) {
	if c == nil {
		return nil, fmt.Errorf("TensorFlow has no memory for a tensor of shape %s", model.ShapeString(shape))
	}
	return &tensor{c}, nil
}

func dims(shape []int64) *C.int64_t { return (*C.int64_t)(unsafe.SliceData(shape)) }

func elementCount(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}

// free frees the tensor. It must not be used afterwards.
func (t *tensor) free() { C.TF_DeleteTensor(t.c) }

func (t *tensor) dtype() model.DType { return model.DType(C.TF_TensorType(t.c)) }

func (t *tensor) shape() []int64 {
	shape := make([]int64, C.TF_NumDims(t.c))
	for i := range shape {
		shape[i] = int64(C.TF_Dim(t.c, C.int(i)))
	}
	return shape
}

// bytes returns the elements in the machine's byte order. The slice is valid until
// free.
func (t *tensor) bytes() []byte {
	return unsafe.Slice((*byte)(C.TF_TensorData(t.c)), C.TF_TensorByteSize(t.c))
}

// setText copies a string into element i, which must be empty.
func (t *tensor) setText(i int, text string) {
	C.setText(t.c, C.size_t(i), (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text)))
}

// texts returns the strings of a string tensor. They are in its memory, and valid until
// free.
func (t *tensor) texts() [][]byte {
	n := elementCount(t.shape())
	at, sizes := make([]*C.char, n), make([]C.size_t, n)
	C.findTexts(t.c, C.size_t(n), unsafe.SliceData(at), unsafe.SliceData(sizes))
	texts := make([][]byte, n)
	for i := range texts {
		texts[i] = unsafe.Slice((*byte)(unsafe.Pointer(at[i])), sizes[i])
	}
	return texts
}

// freeAll frees each of the tensors.
func freeAll(tensors []*tensor) {
	for _, t := range tensors {
		t.free()
	}
}
