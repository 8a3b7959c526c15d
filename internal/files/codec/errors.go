package codec

import (
	"errors"
	"fmt"
)

// ErrType is wrapped where a format cannot hold a column's type.
var ErrType = errors.New("type not supported by the format")

// ErrValue is wrapped where a format cannot hold a value.
var ErrValue = errors.New("value not supported by the format")

// Error reports data that is damaged, or that does not fit the options, and its
// place. Errors of the store and of an ended ctx are not of this type. They are
// wrapped as they are.
type Error struct {
	Path   string
	Offset int64 // byte of the file where the damaged piece begins; -1 if not known
	Row    int64 // row of the split, from 0; -1 if not known
	Err    error
}

func (e *Error) Error() string {
	at := e.Path
	if e.Offset >= 0 {
		at += fmt.Sprintf(" at byte %d", e.Offset)
	}
	if e.Row >= 0 {
		at += fmt.Sprintf(", row %d", e.Row)
	}
	return fmt.Sprintf("files: read %s: %v", at, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// StoreError wraps a store's error for a file.
func StoreError(path string, err error) error {
	return fmt.Errorf("files: read %s: %w", path, err)
}

// RecoverPanic runs f and turns a panic into an error. Libraries panic for some
// damaged files.
func RecoverPanic(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = p
		default:
			err = fmt.Errorf("%v", p)
		}
	}()
	return f()
}
