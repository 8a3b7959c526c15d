package files_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
)

// conversionOf returns a conversion of 1,003 rows, in batches of 10, in a new
// folder.
func conversionOf(t *testing.T, c filestest.Column) files.Conversion {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.arrow")
	filestest.Of(files.Arrow).Write(t, in, filestest.RowsOf(memory.DefaultAllocator, c, 0, 1003))
	return files.Conversion{From: files.Arrow, To: files.Parquet, In: in, Out: filepath.Join(dir, "out"), Staging: filepath.Join(dir, ".staging"),
		Read: files.ReadOptions{BatchRows: 10}}
}

func TestConvertDealsRowsOut(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	c := conversionOf(t, filestest.PlainColumn)
	c.Shards, c.Read.Memory = 3, mem
	done, err := files.Convert(t.Context(), c)
	if err != nil || done.Rows != 1003 || done.Files != 3 {
		t.Fatal(done, err)
	}
	var all []int64
	for i := range 3 {
		got := filestest.IDs(filestest.Of(files.Parquet).Must(t, filepath.Join(c.Out, fmt.Sprintf("part-%05d.parquet", i)), 0, files.ReadOptions{}))
		if len(got) < 333 || len(got) > 336 || !slices.IsSorted(got) {
			t.Errorf("shard %d: %d rows, in order %v", i, len(got), slices.IsSorted(got))
		}
		all = append(all, got...)
	}
	if slices.Sort(all); !slices.Equal(all, filestest.UpTo(1003)) {
		t.Errorf("%d rows in all", len(all))
	}
}

// After any error only the files that existed before are left.
func TestConvertAllOrNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, tt := range map[string]struct {
		change func(c *files.Conversion)
		ctx    context.Context
		is     func(error) bool
	}{
		"value":     {change: func(c *files.Conversion) { c.To = files.TFRecord }, is: func(err error) bool { return errors.Is(err, files.ErrValue) }},
		"cancelled": {change: func(c *files.Conversion) { c.Progress = func(rows int64) { cancel() } }, ctx: ctx, is: func(err error) bool { return errors.Is(err, context.Canceled) }},
		"exists": {change: func(c *files.Conversion) { c.Out = t.TempDir() }, is: func(err error) bool {
			var output *files.OutputError
			return errors.Is(err, files.ErrExists) && errors.As(err, &output)
		}},
		"damaged": {change: func(c *files.Conversion) {
			content, err := os.ReadFile(c.In)
			if err == nil {
				err = os.WriteFile(c.In, slices.Concat(content[:len(content)/2], make([]byte, 64), content[len(content)/2:]), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, is: func(err error) bool { var data *files.Error; return errors.As(err, &data) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := conversionOf(t, filestest.Column{Name: "value", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Value: filestest.List5(filestest.Nulls(filestest.Number[int32](1)))})
			c.Shards = 2
			tt.change(&c)
			if tt.ctx == nil {
				tt.ctx = t.Context()
			}
			if _, err := files.Convert(tt.ctx, c); !tt.is(err) {
				t.Errorf("%v", err)
			}
			left, err := os.ReadDir(filepath.Dir(c.In))
			if err != nil || len(left) != 1 {
				t.Errorf("left: %v %v", left, err)
			}
		})
	}
}
