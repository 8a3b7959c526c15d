package engine

// #include <tensorflow/c/c_api.h>
import "C"

import (
	"errors"
	"fmt"

	"tfos/internal/model"
)

// runError is what the graph said. Where its code is one that a value can bring
// about it is a *model.GraphError: then a run without that value may do. Out of
// memory, an operation that is not there, a cancelled or aborted run and the
// like are nobody's row.
func runError(doing string, err error) error {
	var status *statusError
	if !errors.As(err, &status) {
		return fmt.Errorf("engine: %s: %w", doing, err)
	}
	switch status.Code {
	case C.TF_INVALID_ARGUMENT, // a broken image, an index out of range, a shape, tf.debugging.assert_…
		C.TF_OUT_OF_RANGE,
		C.TF_NOT_FOUND, C.TF_PERMISSION_DENIED, // a file that a value names
		C.TF_DATA_LOSS:
		return &model.GraphError{Doing: doing, Err: err}
	}
	return fmt.Errorf("engine: %s: %w", doing, err)
}
