package engine

// #include <tensorflow/c/c_api.h>
import "C"

import (
	"fmt"
	"reflect"
	"runtime"

	"tfos/internal/model"
)

// runError is what the graph said. Where its code is one that a value can bring
// about it is a *model.GraphError: then a run without that value may do. Out of
// memory, an operation that is not there, a cancelled or aborted run and the
// like are nobody's row.
func runError(doing string, err error) error {
	switch statusCode(err) {
	case C.TF_INVALID_ARGUMENT, // a broken image, an index out of range, a shape, tf.debugging.assert_…
		C.TF_OUT_OF_RANGE,
		C.TF_NOT_FOUND, C.TF_PERMISSION_DENIED, // a file that a value names
		C.TF_DATA_LOSS:
		return &model.GraphError{Doing: doing, Err: err}
	}
	return fmt.Errorf("engine: %s: %w", doing, err)
}

// statusCode is TensorFlow's code of an error of graft's, which keeps it to
// itself: a *statusError, whose one field is the TF_Status. TF_UNKNOWN for any
// other error.
func statusCode(err error) C.TF_Code {
	v := reflect.ValueOf(err)
	if v.Type().String() != "*tensorflow.statusError" || v.IsNil() {
		return C.TF_UNKNOWN
	}
	status := v.Elem().Field(0)
	if status.Kind() != reflect.Pointer || status.IsNil() {
		return C.TF_UNKNOWN
	}
	code := C.TF_GetCode((*C.TF_Status)(status.UnsafePointer()))
	runtime.KeepAlive(err) // its finalizer frees the status
	return code
}
