package engine

// #include <tensorflow/c/c_api.h>
import "C"

import (
	"errors"
	"fmt"
	"syscall"

	"tfos/internal/model"
)

// runError wraps the error of a run. If a value of the batch may have caused
// TensorFlow's error code, the result is a *model.GraphError: a run without that value
// may succeed. If memory was short, it is a *model.MemoryError. A missing operation or a
// cancelled run are not caused by a row.
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
	case C.TF_RESOURCE_EXHAUSTED:
		return &model.MemoryError{Doing: doing, Err: err}
	}
	return fmt.Errorf("engine: %s: %w", doing, err)
}

// saveError returns the error of a run that writes files. If the file system had no room,
// it is syscall.ENOSPC: TensorFlow has its code from the system's (IOError of
// tsl/platform/default/posix_file_system.cc).
func saveError(err error) error {
	var status *statusError
	if errors.As(err, &status) && status.Code == C.TF_RESOURCE_EXHAUSTED {
		return syscall.ENOSPC
	}
	return err
}

// isUnreachable reports whether an operation did not find a file, or may not write there.
func isUnreachable(err error) bool {
	var status *statusError
	return errors.As(err, &status) && (status.Code == C.TF_NOT_FOUND || status.Code == C.TF_PERMISSION_DENIED)
}
