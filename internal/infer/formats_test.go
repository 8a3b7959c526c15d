package infer

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

// numbersFile writes x = 0, 1, … as a file of a format.
func numbersFile(t *testing.T, format files.Format, rows int) string {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil))
	defer b.Release()
	path := filepath.Join(t.TempDir(), "x"+format.Extension())
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := files.NewWriter(format, f, b.Schema(), files.WriteOptions{})
	for i := 0; i < rows && err == nil; i += 50 {
		for x := i; x < min(i+50, rows); x++ {
			b.Field(0).(*array.Int64Builder).Append(int64(x))
		}
		record := b.NewRecord()
		err = w.Write(record)
		record.Release()
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFormats: every format in and out, files cut into splits; each row once, in
// its order.
func TestFormats(t *testing.T) {
	const rows = 1000
	for _, from := range files.Formats {
		path := numbersFile(t, from, rows)
		for _, to := range files.Formats {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				data, err := Input{Format: from, Path: path}.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				req := request(t)
				if req.Input, err = data.Recipe(); err != nil {
					t.Fatal(err)
				}
				pieces, err := data.Splits(t.Context(), data.Files()[0].Size/5)
				if err != nil {
					t.Fatal(err)
				}
				for i, piece := range pieces {
					req.Splits = append(req.Splits, Split{ID: i, Split: piece})
				}
				if want := map[bool]int{true: 1, false: 5}[from == files.Parquet]; len(pieces) < want { // of one row group
					t.Errorf("%d splits", len(pieces))
				}
				req.Format, req.Keep = to, []string{"x"}
				result, err := Run(t.Context(), &req, (&doubler{bad: -1}).load, nil)
				if err != nil || result.Rows != rows {
					t.Fatalf("%d rows, %v", result.Rows, err)
				}
				next := int64(0)
				for i, split := range result.Splits {
					if split.Offset != pieces[i].Offset || split.Length != pieces[i].Length {
						t.Errorf("split %+v of %+v", split, pieces[i])
					}
					next = checkDoubled(t, to, filepath.Join(req.Output, split.Output), next, split.Rows)
				}
			})
		}
	}
}

// checkDoubled reads a file with x and y = 2x, from next on, and returns what
// comes after.
func checkDoubled(t *testing.T, format files.Format, path string, next, rows int64) int64 {
	t.Helper()
	if rows == 0 { // some formats have no columns then
		return next
	}
	data, err := Input{Format: format, Path: path}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pieces, err := data.Splits(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := data.Read(t.Context(), pieces[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		record, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		x := record.Column(record.Schema().FieldIndices("x")[0]).(*array.Int64).Int64Values()
		y := record.Column(record.Schema().FieldIndices("y")[0]).(*array.Int64).Int64Values()
		for i := range x {
			if x[i] != next || y[i] != 2*next {
				t.Fatalf("%s: x %d, y %d; want %d", path, x[i], y[i], next)
			}
			next++
			rows--
		}
		record.Release()
	}
	if rows != 0 {
		t.Errorf("%s: %d rows missing", path, rows)
	}
	return next
}

// TestFit: text has no types of its own, so that numbers are what tensors take.
func TestFit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	if err := os.WriteFile(path, []byte(`{"x": 7.0, "tags": [1]}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	req := request(t)
	var err error
	if req.Input, req.Splits, err = (Input{Format: files.JSON, Path: path}).Plan(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	req.Keep = []string{"tags"}
	if _, err := Run(t.Context(), &req, (&doubler{bad: -1}).load, nil); err != nil {
		t.Fatal(err)
	}
	if y := readBack(t, filepath.Join(req.Output, "part-00000.parquet")).Column(1).Data().Chunk(0).(*array.Int64).Value(0); y != 14 {
		t.Errorf("y = %d", y)
	}
	if err := os.WriteFile(path, []byte(`{"x": 7.5, "tags": [1]}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), &req, (&doubler{bad: -1}).load, nil); ExitCode(err) != 6 {
		t.Errorf("7.5 went into int64: %v", err)
	}
}
