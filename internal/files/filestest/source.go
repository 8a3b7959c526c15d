package filestest

import (
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

// FailingStore reads a file while the store fails, which is not the data's fault.
// fail has a reader's store give an error from now on.
func FailingStore(t *testing.T, format files.Format, fail func(r files.Reader, err error)) {
	gone := errors.New("connection reset")
	k := Of(format)
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	k.manyUnits(t, path, PlainColumn, 100)
	r := k.Open(t, path, files.ReadOptions{BatchRows: 10, Memory: memory.NewGoAllocator()})
	fail(r, gone)
	var err error
	for err == nil {
		_, err = r.Next()
	}
	var data *files.Error
	if !errors.Is(err, gone) || errors.As(err, &data) || err == io.EOF {
		t.Errorf("%s: %v", k.Format, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
