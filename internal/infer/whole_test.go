package infer

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
	"tfos/internal/model"
)

// fixedRequest is over a parquet file of row groups of so many rows, for a model of
// 4 rows at a time.
func fixedRequest(t *testing.T, groups ...int) SplitsRequest {
	t.Helper()
	dir := t.TempDir()
	inputFile(t, dir, "a.parquet", 0, groups...)
	r := SplitsRequest{Computation: Computation{Source: model.Source{Model: doublerOf(t, 4, nil)}, Signature: "serving_default", BatchSize: 12},
		Output: filepath.Join(t.TempDir(), "parts"), Format: files.Parquet}
	var err error
	if r.Input, r.Splits, err = (Input{Format: files.Parquet, Path: dir}).Plan(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWholeBatches: however the reader cuts rows, only the last batch of a split
// is short, and every row has its prediction.
func TestWholeBatches(t *testing.T) {
	r := fixedRequest(t, 5, 6, 7)
	r.PadLastBatch = true
	d := &doubler{bad: -1}
	result, err := Run(t.Context(), &r, d.load, nil)
	if err != nil || result.Read != 18 || result.Rows != 18 {
		t.Fatalf("account %+v: %v", result.Account, err)
	}
	short := slices.IndexFunc(d.rows, func(n int64) bool { return n%4 != 0 })
	if short != len(d.rows)-1 || d.rows[short] != 2 {
		t.Errorf("batches of %v rows", d.rows)
	}
	table := readBack(t, filepath.Join(r.Output, "part-00000.parquet"))
	var have []int64
	for _, chunk := range table.Column(0).Data().Chunks() {
		have = append(have, chunk.(*array.Int64).Int64Values()...)
	}
	for i, v := range have {
		if v != 2*int64(i) {
			t.Fatalf("predictions %v", have)
		}
	}
	if len(have) != 18 {
		t.Errorf("%d predictions", len(have))
	}
}

// TestRemainder: rows that are no whole batch are refused by name, and leave no
// file; the file is not cut in places that make remainders.
func TestRemainder(t *testing.T) {
	r := fixedRequest(t, 5, 6, 7)
	_, err := Run(t.Context(), &r, (&doubler{bad: -1}).load, nil)
	if err == nil || ExitCode(err) != 6 || !strings.Contains(err.Error(), "a.parquet: ") || !strings.Contains(err.Error(), "of 18 rows 2 are left over") {
		t.Errorf("error %v", err)
	}
	if names := left(t, r.Output); len(names) != 0 {
		t.Errorf("files %v", names)
	}
	bind := &model.Binding{Batch: 4}
	found, err := files.Open(t.Context(), files.Parquet, r.Splits[0].Path, files.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Whole(t.Context(), found, bind); err == nil || !strings.Contains(err.Error(), "a.parquet: ") || !strings.Contains(err.Error(), "of 18 rows 2 are left over") {
		t.Errorf("beforehand: %v", err)
	}
	if bind.Batch = 9; Whole(t.Context(), found, bind) != nil {
		t.Error("two batches of 9 rows are refused")
	}
	data, err := r.Input.Dataset(files.ReadOptions{})
	if err != nil || r.CutBytes(data, 3) != 0 {
		t.Errorf("files are cut: %v", err)
	}
	r.PadLastBatch = true
	if r.CutBytes(data, 3) == 0 {
		t.Error("files are not cut, though short batches are filled up")
	}
}

// TestFixedBatchThatFails: a batch of rows that may depend on one another is run
// as a whole or not at all, and named.
func TestFixedBatchThatFails(t *testing.T) {
	r := fixedRequest(t, 12)
	d := &doubler{bad: -1, breaks: map[int64]bool{6: true}}
	_, err := Run(t.Context(), &r, d.load, nil)
	if err == nil || ExitCode(err) != 6 || !strings.Contains(err.Error(), "rows 4 to 7, a batch of the model's: the graph failed: invalid JPEG") {
		t.Errorf("error %v", err)
	}
	for _, n := range d.rows {
		if n%4 != 0 {
			t.Errorf("batches of %v rows", d.rows)
		}
	}
}

// TestRegroupBadRows: rows that could not be read keep their numbers.
func TestRegroupBadRows(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)
	g := batchRegrouper{mem: memory.DefaultAllocator, size: 4}
	first := int64(100)
	var have []string
	take := func(b batch) {
		defer b.record.Release()
		for _, bad := range b.bad {
			have = append(have, fmt.Sprint(b.first+bad.Row, b.record.Column(0).(*array.Int64).Value(int(bad.Row))))
		}
	}
	for _, n := range []int64{3, 2, 9, 1, 4} { // rows 100 to 118
		b := array.NewInt64Builder(memory.DefaultAllocator)
		part := batch{first: first}
		for i := range n {
			b.Append(first + i)
			if (first+i)%3 == 0 {
				part.bad = append(part.bad, files.BadRow{Row: i})
			}
		}
		column := b.NewArray()
		part.record = array.NewRecord(schema, []arrow.Array{column}, n)
		column.Release()
		first += n
		whole, ok, err := g.addBatch(part)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			if whole.record.NumRows()%4 != 0 {
				t.Errorf("%d rows", whole.record.NumRows())
			}
			take(whole)
		}
	}
	if rest, ok := g.takeRest(); ok {
		take(rest)
	}
	if got := strings.Join(have, ", "); got != "102 102, 105 105, 108 108, 111 111, 114 114, 117 117" {
		t.Errorf("bad rows %s", got)
	}
}

// TestServeFixedBatches: of what Spark brings, too, rows that are no whole batch are
// refused with their partition, or filled up.
func TestServeFixedBatches(t *testing.T) {
	for _, pad := range []bool{false, true} {
		d := &doubler{bad: -1}
		s := serve(t, d, PartitionsRequest{Computation: Computation{Source: model.Source{Model: doublerOf(t, 4, nil)}, BatchSize: 7, PadLastBatch: pad}})
		task := s.task(3, 1)
		go func() {
			schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)
			w := ipc.NewWriter(task, ipc.WithSchema(schema))
			b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
			defer b.Release()
			b.Field(0).(*array.Int64Builder).AppendValues([]int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, nil)
			record := b.NewRecord()
			defer record.Release()
			_, _ = w.Write(record), w.Close()
		}()
		rows := int64(0)
		if r, err := ipc.NewReader(task); err == nil {
			for r.Next() {
				rows += r.Record().NumRows()
			}
			r.Release()
		}
		_, err := s.end()
		switch {
		case pad && (err != nil || rows != 10):
			t.Errorf("%d rows: %v", rows, err)
		case !pad && (err == nil || ExitCode(err) != 6 || !strings.Contains(err.Error(), "partition 3: ") || !strings.Contains(err.Error(), "of 10 rows 2 are left over")):
			t.Errorf("error %v", err)
		}
	}
}
