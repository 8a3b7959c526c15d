package files_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

func saysOf(text string) func(error) bool {
	return func(err error) bool { return err != nil && strings.Contains(err.Error(), text) }
}

// After any error only the files that existed before are left.
func TestConvertAllOrNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	outputError := func(err error) bool { var output *files.OutputError; return errors.As(err, &output) }
	for name, tt := range map[string]struct {
		change func(c *files.Conversion)
		ctx    context.Context
		is     func(error) bool
	}{
		"value":     {change: func(c *files.Conversion) { c.To = files.TFRecord }, is: func(err error) bool { return errors.Is(err, files.ErrValue) }},
		"cancelled": {change: func(c *files.Conversion) { c.Progress = func(rows int64) { cancel() } }, ctx: ctx, is: func(err error) bool { return errors.Is(err, context.Canceled) }},
		"exists":    {change: func(c *files.Conversion) { c.Out = t.TempDir() }, is: func(err error) bool { return errors.Is(err, files.ErrExists) && outputError(err) }},
		"inside":    {change: func(c *files.Conversion) { c.In, c.Out = filepath.Dir(c.In), filepath.Join(filepath.Dir(c.In), "out") }, is: saysOf("lies in the input")},
		"around":    {change: func(c *files.Conversion) { c.Out = filepath.Dir(c.In) }, is: saysOf("choose another folder")},
		"no parts":  {change: func(c *files.Conversion) { c.PartitionBy = []string{".id"} }, is: saysOf("partition by .id")},
		"staging removed": {change: func(c *files.Conversion) {
			c.Progress = func(int64) {
				if err := os.RemoveAll(c.Staging); err != nil {
					t.Error(err)
				}
			}
		}, is: outputError},
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
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			c.Shards, c.Read.Memory = 2, mem
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

// TestConvertReports: the name of a file says its whole-file compression.
// Progress gets every batch, and the result the rows and the files.
func TestConvertReports(t *testing.T) {
	for _, c := range []struct {
		to                files.Format
		compression, name string
	}{
		{files.Parquet, "gzip", "part-00000.parquet"}, {files.Arrow, "zstd", "part-00000.arrow"}, {files.JSON, "", "part-00000.json"},
		{files.JSON, "gzip", "part-00000.json.gz"}, {files.TFRecord, "zlib", "part-00000.tfrecord.zlib"},
	} {
		run := conversionOf(t, filestest.PlainColumn)
		run.To, run.Write.Compression = c.to, c.compression
		var progress []int64
		run.Progress = func(rows int64) { progress = append(progress, rows) }
		done, err := files.Convert(t.Context(), run)
		if err != nil || done != (files.Converted{Rows: 1003, Files: 1}) {
			t.Errorf("%s: %+v, %v", c.name, done, err)
		}
		if n := len(progress); n != 101 || progress[0] != 10 || progress[n-2] != 1000 || progress[n-1] != 1003 {
			t.Errorf("%s: progress %v", c.name, progress)
		}
		if got := filestest.IDs(filestest.Of(c.to).Must(t, filepath.Join(run.Out, c.name), 0, files.ReadOptions{})); !slices.Equal(got, filestest.UpTo(1003)) {
			t.Errorf("%s: %d rows, or another order", c.name, len(got))
		}
	}
}

// A data set without rows has no columns. It is not written, also where a folder
// names a column.
func TestConvertWithoutColumns(t *testing.T) {
	root := t.TempDir()
	in := filepath.Join(root, "in")
	if err := errors.Join(os.MkdirAll(filepath.Join(in, "day=1"), 0o755), os.WriteFile(filepath.Join(in, "day=1", "a.json"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(root, "out")
	_, err := files.Convert(t.Context(), files.Conversion{From: files.JSON, To: files.CSV, In: in, Out: out, Staging: out + ".tmp"})
	if err == nil || !strings.Contains(err.Error(), "declare them") {
		t.Errorf("no row, no column: %v", err)
	}
}
