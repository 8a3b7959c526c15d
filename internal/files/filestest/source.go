package filestest

import (
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

// FailingStore checks that a failing store is not reported as damaged data.
// fail makes a reader's store return err from then on.
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
