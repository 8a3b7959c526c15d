package infer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/model"
)

// request asks for y of the files, which are as inputFile writes them, with id
// and tags kept, 64 rows a batch.
func request(t *testing.T, paths ...string) SplitsRequest {
	t.Helper()
	r := SplitsRequest{Computation: Computation{Source: model.Source{Model: doublerModel(t, nil)}, BatchSize: 64, Keep: []string{"tags", "id"}},
		Output: filepath.Join(t.TempDir(), "staging"), Format: files.Parquet}
	in := Input{Format: files.Parquet, Path: inputFile(t, t.TempDir(), "none", 0)}
	var err error
	if r.Input, _, err = in.Plan(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for i, p := range paths {
		r.Splits = append(r.Splits, Split{ID: i, Split: files.Split{Path: p, Length: 1 << 40}})
	}
	return r
}

func TestRowsStayTogetherAndInOrder(t *testing.T) {
	dir := t.TempDir()
	req := request(t, inputFile(t, dir, "a", 0, 100, 33, 1, 200), inputFile(t, dir, "b", 1000, 65), inputFile(t, dir, "c", 2000, 64))
	req.OutputMapping = map[string]string{"y": "twice"}
	d := &doubler{bad: -1}
	var splits, rows int64
	result, err := Run(t.Context(), &req, d.load, func(s, r, _ int64) {
		if s < splits || r < rows {
			t.Errorf("progress went back: %d, %d after %d, %d", s, r, splits, rows)
		}
		splits, rows = s, r
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.Rows != 463 || splits != 3 || rows != 463 || !d.closed {
		t.Errorf("result %+v, progress %d splits %d rows, closed %v", result, splits, rows, d.closed)
	}
	if len(slices.DeleteFunc(d.rows, func(n int64) bool { return n == 64 })) > 2 {
		t.Errorf("batches of other sizes than 64: %v; want 14 (334 rows over 4 row groups) and 1", d.rows)
	}
	if have := left(t, req.Output); !slices.Equal(have, []string{"part-00000.parquet", "part-00001.parquet", "part-00002.parquet"}) {
		t.Errorf("files %v", have)
	}
	for i, from := range []int64{0, 1000, 2000} {
		checkSplit(t, req, result.Splits[i], from, []int64{334, 65, 64}[i])
	}
}

// checkSplit compares a split's file with what inputFile wrote.
func checkSplit(t *testing.T, req SplitsRequest, s SplitResult, from, rows int64) {
	t.Helper()
	path := filepath.Join(req.Output, s.Output)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	if s.Rows != rows || s.Input != req.Splits[s.ID].Path || s.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("split result %+v, want %d rows, sum %x", s, rows, sum)
	}
	table := readBack(t, path)
	if names := []string{table.Column(0).Name(), table.Column(1).Name(), table.Column(2).Name()}; !slices.Equal(names, []string{"tags", "id", "twice"}) {
		t.Fatalf("columns %v", names)
	}
	r := array.NewTableReader(table, rows+1)
	defer r.Release()
	if !r.Next() || r.Record().NumRows() != rows {
		t.Fatalf("%s: %d rows, want %d", path, table.NumRows(), rows)
	}
	want := inputRecord(arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "unused", Type: arrow.PrimitiveTypes.Float64}, {Name: "x", Type: arrow.PrimitiveTypes.Int64},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true}}, nil), from, int(rows))
	defer want.Release()
	if have := r.Record(); !array.Equal(have.Column(1), want.Column(0)) || !array.Equal(have.Column(0), want.Column(3)) {
		t.Errorf("%s: kept columns changed", path)
	}
	for i, y := range r.Record().Column(2).(*array.Int64).Int64Values() {
		if y != 2*(from+int64(i)) {
			t.Fatalf("%s: row %d: %d", path, i, y)
		}
	}
}

func TestNoRowsGiveAFileWithTheSameColumns(t *testing.T) {
	dir := t.TempDir()
	unknown := &shapepb.TensorShapeProto{UnknownRank: true}
	for name, shape := range map[string]*shapepb.TensorShapeProto{"rank known": nil, "rank unknown": unknown} {
		req := request(t, inputFile(t, dir, "rows", 0, 10), inputFile(t, dir, "none", 0), inputFile(t, dir, "empty group", 0, 0),
			inputFile(t, dir, "empty between", 0, 0, 5, 0, 5))
		req.Model = doublerModel(t, shape)
		result, err := Run(t.Context(), &req, (&doubler{bad: -1}).load, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		full := readBack(t, filepath.Join(req.Output, "part-00000.parquet")).Schema()
		for i, rows := range []int64{10, 0, 0, 10} {
			table := readBack(t, filepath.Join(req.Output, result.Splits[i].Output))
			if table.NumRows() != rows || result.Splits[i].Rows != rows || !table.Schema().Equal(full) {
				t.Errorf("%s: split %d: %d rows, %s, want %d rows, %s", name, i, table.NumRows(), table.Schema(), rows, full)
			}
		}
	}
}

func TestNothingToDoLoadsNothing(t *testing.T) {
	result, err := Run(t.Context(), new(request(t)), func(context.Context) (Model, error) { panic("loaded") }, nil)
	if err != nil || result.Rows != 0 {
		t.Errorf("have %+v, %v", result, err)
	}
}

func TestFailuresCarryCodeAndPlaceAndLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	good := inputFile(t, dir, "good", 0, 200)
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(name string, change func(b []byte) []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, change(slices.Clone(content)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	crash := errors.New("crash")
	tests := map[string]struct {
		path   string
		model  *doubler
		change func(*SplitsRequest)
		code   exit.Code
		says   string
	}{
		"row does not fit": {path: good, model: &doubler{bad: 150}, code: 6, says: `row 150, column "x": is bad`},
		"model crashes":    {path: good, model: &doubler{bad: 150, failed: crash}, code: 5, says: "crash"},
		"absent":           {path: filepath.Join(dir, "absent"), code: 5, says: "no such file"},
		"folder":           {path: dir, code: 5, says: "it is a folder"},
		"not parquet":      {path: damaged("text", func([]byte) []byte { return []byte("id,x\n1,2\n3,4\n") }), code: 6, says: "not a readable parquet file"},
		"empty file":       {path: damaged("zero", func([]byte) []byte { return nil }), code: 6, says: "not a readable parquet file"},
		"truncated":        {path: damaged("short", func(b []byte) []byte { return b[:len(b)/2] }), code: 6, says: "not a readable parquet file"},
		"holed": {path: damaged("holed", func(b []byte) []byte {
			clear(b[4 : len(b)*2/3])
			return b
		}), code: 6, says: "not a readable parquet file"},
		"wrong column": {path: good, change: func(r *SplitsRequest) { r.InputMapping = map[string]string{"id": "x"} }, code: 6, says: "column id is utf8, the tensor is int64 [-1]: cast the column to bigint"},
		"no model":     {path: good, change: func(r *SplitsRequest) { r.Model = dir }, code: 2, says: "saved_model.pb"},
		"no signature": {path: good, change: func(r *SplitsRequest) { r.Signature = "train" }, code: 2, says: "serving_default"},
		"no folder to write to": {path: good, change: func(r *SplitsRequest) {
			r.Output = filepath.Join(good, "staging")
		}, code: 7, says: "make the output folder"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			req := request(t, tt.path)
			if tt.change != nil {
				tt.change(&req)
			}
			d := tt.model
			if d == nil {
				d = &doubler{bad: -1}
			}
			_, err := Run(t.Context(), &req, d.load, nil)
			if err == nil || ExitCode(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("have %v (code %d), want code %d with %q", err, ExitCode(err), tt.code, tt.says)
			}
			if tt.code != 2 && tt.code != 7 && name != "wrong column" && !strings.Contains(err.Error(), tt.path) {
				t.Errorf("%v does not name %s", err, tt.path)
			}
			if (tt.code == 5 || tt.code == 6) && name != "wrong column" { // that is seen before a folder is made
				if have := left(t, req.Output); len(have) != 0 {
					t.Errorf("left behind: %v", have)
				}
			}
			if errors.Is(err, crash) != (tt.model != nil && tt.model.failed != nil) {
				t.Errorf("cause lost: %v", err)
			}
		})
	}
}

// Whatever single byte is wrong, the process goes on, and what is reported as
// read is as many rows as were promised.
func TestDamageNeverPanics(t *testing.T) {
	dir := t.TempDir()
	good := inputFile(t, dir, "good", 0, 40)
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "flipped")
	for at := 0; at < len(content); at += 3 {
		flipped := slices.Clone(content)
		flipped[at] ^= 0x55
		if err := os.WriteFile(path, flipped, 0o644); err != nil {
			t.Fatal(err)
		}
		req := request(t, path)
		result, err := Run(t.Context(), &req, (&doubler{bad: -1}).load, nil)
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("byte %d: %v does not name the file", at, err)
		}
		if err != nil && len(left(t, req.Output)) != 0 {
			t.Errorf("byte %d: left behind: %v", at, left(t, req.Output))
		}
		if err == nil && (result.Rows > 40 || result.Rows != readBack(t, filepath.Join(req.Output, "part-00000.parquet")).NumRows()) {
			t.Errorf("byte %d: %d rows", at, result.Rows)
		}
	}
}

func TestCancelLeavesFinishedSplitsOnly(t *testing.T) {
	dir := t.TempDir()
	req := request(t, inputFile(t, dir, "a", 0, 10), inputFile(t, dir, "b", 0, 5000))
	req.Threads = 1
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result, err := Run(ctx, &req, (&doubler{bad: -1}).load, func(splits, rows, _ int64) {
		if splits == 1 && rows > 500 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if len(result.Splits) != 1 || result.Rows != 10 {
		t.Errorf("result %+v", result)
	}
	if have := left(t, req.Output); !slices.Equal(have, []string{"part-00000.parquet"}) {
		t.Errorf("files %v", have)
	}
}

func TestLoadFailureKeepsItsCode(t *testing.T) {
	dir := t.TempDir()
	_, err := Run(t.Context(), new(request(t, inputFile(t, dir, "a", 0, 1))), func(context.Context) (Model, error) {
		return nil, &model.ModelError{Path: "m", Problem: "p"}
	}, nil)
	if ExitCode(err) != 2 {
		t.Errorf("code %d of %v", ExitCode(err), err)
	}
}
