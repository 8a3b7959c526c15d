package codec

import (
	"errors"
	"fmt"
)

// ErrType is wrapped where a format cannot hold a column's type.
var ErrType = errors.New("type not supported by the format")

// ErrValue is wrapped where a format cannot hold a value.
var ErrValue = errors.New("value not supported by the format")

// Error is data that is damaged, or does not fit what was asked for: where, and
// what is wrong. A store's failure and an ended ctx are not; they come wrapped
// as they are.
type Error struct {
	Path   string
	Offset int64 // byte of the file where the damaged piece begins; -1: not known
	Row    int64 // of the split, from 0; -1: not known
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

// StoreError is what a store said of a file.
func StoreError(path string, err error) error {
	return fmt.Errorf("files: read %s: %w", path, err)
}

// Guarded turns a panic into an error: libraries panic over some damaged files.
func Guarded(f func() error) (err error) {
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
