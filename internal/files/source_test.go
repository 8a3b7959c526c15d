package files

import (
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// A store that fails is not the data's fault.
func TestFailingStore(t *testing.T) {
	gone := errors.New("connection reset")
	for _, k := range kits[:2] {
		path := filepath.Join(t.TempDir(), "a"+k.ext)
		k.manyUnits(t, path, plainColumn, 100)
		r := k.open(t, path, ReadOptions{BatchRows: 10, Memory: memory.NewGoAllocator()})
		fail := func([]byte, int64) (int, error) { return 0, gone }
		switch r := r.(type) {
		case *parquetReader:
			r.source.read = fail
		case *arrowReader:
			r.source.read = fail
		}
		var err error
		for err == nil {
			_, err = r.Next()
		}
		var data *Error
		if !errors.Is(err, gone) || errors.As(err, &data) || err == io.EOF {
			t.Errorf("%s: %v", k.format, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
