package files_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
	"tfos/internal/files/rowformat"
)

// tolerant reads a whole file in records of two rows. It returns the rows as
// JSON and the bad rows as text.
func tolerant(t *testing.T, format files.Format, path string, o files.ReadOptions) (rows, bad []string, err error) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	o.BadRows, o.BatchRows, o.Memory = true, 2, mem
	data, err := files.Open(t.Context(), format, path, o)
	if err != nil {
		return nil, nil, err
	}
	r, err := data.Read(t.Context(), files.Split{Path: path, Length: math.MaxInt64})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		record, err := r.Next()
		if err == io.EOF {
			return rows, bad, nil
		}
		if err != nil {
			return rows, bad, err
		}
		for _, b := range files.Bad(r) {
			bad = append(bad, fmt.Sprintf("%d %q at %d: %v", int64(len(rows))+b.Row, b.Column, b.Offset, b.Err))
		}
		for i := range int(record.NumRows()) {
			one := record.NewSlice(int64(i), int64(i)+1)
			text, err := one.MarshalJSON()
			one.Release()
			if err != nil {
				return rows, bad, err
			}
			rows = append(rows, strings.Trim(string(text), "[]\n"))
		}
		record.Release()
	}
}

// TestBadRowsKeepTheirPlace: a bad row is null in the columns that could not be
// read, and the other rows are unchanged. Also after a partly read list, and
// after truncated text.
func TestBadRowsKeepTheirPlace(t *testing.T) {
	schema := filestest.SchemaOf(filestest.Nullable("id", arrow.BinaryTypes.String), filestest.Nullable("x", arrow.ListOf(arrow.PrimitiveTypes.Int64)), filestest.Nullable("n", arrow.PrimitiveTypes.Int8))
	for name, c := range map[string]struct {
		format    files.Format
		path      string
		rows, bad []string
	}{
		"json": {files.JSON, filestest.JSONFile(t,
			`{"id":"a","x":[1,2],"n":1}`, `{"x":[3,"four"],"id":"b","n":300}`, `"c"`, `{"id":"d","x":[5],"n":2} {}`, `{"id":"e","x":null}`, `{"id":"f","x":[6`, `{"id":"g","x":[7,8,9],"n":3}`),
			[]string{`{"id":"a","n":1,"x":[1,2]}`, `{"id":"b","n":null,"x":null}`, `{"id":null,"n":null,"x":null}`, `{"id":"d","n":2,"x":[5]}`,
				`{"id":"e","n":null,"x":null}`, `{"id":"f","n":null,"x":null}`, `{"id":"g","n":3,"x":[7,8,9]}`},
			[]string{`1 "x" at 27: element 1: "\"four\"],\"id\":\"b\",\"n\""… where a number should be, 8 bytes into the row`,
				`2 "" at 61: "\"c\"\n" where an object should be, 0 bytes into the row`,
				`3 "" at 65: "{}\n" where the row's end should be, 25 bytes into the row`,
				`5 "x" at 113: the JSON text ends too early`}},
		"csv": {files.CSV, filestest.CSVFile(t, "id,x,n", `a,"[1,2]",1`, `b,"[3,four]",300`, `c`, `d,,`, `"e,"[5]",2`, `f,"[7,8,9]",3`),
			[]string{`{"id":"a","n":1,"x":[1,2]}`, `{"id":"b","n":null,"x":null}`, `{"id":null,"n":null,"x":null}`, `{"id":"d","n":null,"x":null}`,
				`{"id":null,"n":null,"x":null}`, `{"id":"f","n":3,"x":[7,8,9]}`},
			[]string{`1 "x" at 19: element 1: "four]" where a number should be, 3 bytes into the row`, `2 "" at 36: a row of 1 cells where there are 3 columns`,
				`4 "" at 42: cell 1: text after a quoted cell`}},
		"tfrecord": {files.TFRecord, filestest.File(t, "a.tfrecord", filestest.Framed(t,
			filestest.Encoded(t, filestest.Features{"id": filestest.BytesFeature("a"), "x": filestest.IntFeature(1, 2), "n": filestest.IntFeature(1)}),
			filestest.Encoded(t, filestest.Features{"id": filestest.BytesFeature("b"), "x": filestest.IntFeature(3), "n": filestest.IntFeature(1, 2, 3)}),
			filestest.Encoded(t, filestest.Features{"id": filestest.BytesFeature("c"), "x": filestest.FloatFeature(3), "n": filestest.IntFeature(4)}),
			[]byte("no tf.Example"),
			filestest.Encoded(t, filestest.Features{"id": filestest.BytesFeature("e"), "n": filestest.IntFeature(300), "x": filestest.IntFeature(5)}),
			filestest.Encoded(t, filestest.Features{"id": filestest.BytesFeature("\xff"), "n": filestest.IntFeature(6), "x": filestest.IntFeature(7, 8, 9)}),
			filestest.Encoded(t, filestest.Features{"id": filestest.BytesFeature("g"), "n": filestest.IntFeature(7), "x": filestest.IntFeature(7, 8, 9)}))),
			[]string{`{"id":"a","n":1,"x":[1,2]}`, `{"id":"b","n":null,"x":[3]}`, `{"id":"c","n":4,"x":null}`, `{"id":null,"n":null,"x":null}`,
				`{"id":"e","n":null,"x":[5]}`, `{"id":null,"n":6,"x":[7,8,9]}`, `{"id":"g","n":7,"x":[7,8,9]}`},
			[]string{`1 "n" at 56: feature "n" has 3 values where its column is one int8`, `2 "x" at `, `3 "" at `, `4 "n" at `, `5 "id" at `}},
	} {
		t.Run(name, func(t *testing.T) {
			rows, bad, err := tolerant(t, c.format, c.path, files.ReadOptions{Schema: schema})
			if err != nil || !slices.Equal(rows, c.rows) {
				t.Errorf("rows %s, want %s; %v", strings.Join(rows, "\n"), strings.Join(c.rows, "\n"), err)
			}
			if !slices.EqualFunc(bad, c.bad, strings.HasPrefix) || strings.Contains(strings.Join(bad, ""), "int8; declare") {
				t.Errorf("bad rows %s, want %s", strings.Join(bad, "\n"), strings.Join(c.bad, "\n"))
			}
			if _, err := everyRow(t, c.format, c.path, files.ReadOptions{Schema: schema}); err == nil || !strings.Contains(err.Error(), ", row ") {
				t.Errorf("without BadRows: %v", err)
			}
		})
	}
}

// everyRow counts the rows of a file, without BadRows.
func everyRow(t *testing.T, format files.Format, path string, o files.ReadOptions) (rows int64, err error) {
	t.Helper()
	data, err := files.Open(t.Context(), format, path, o)
	if err != nil {
		return 0, err
	}
	r, err := data.Read(t.Context(), files.Split{Path: path, Length: math.MaxInt64})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for {
		record, err := r.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += record.NumRows()
		record.Release()
	}
}

// TestBadRowsAreNotSampled: the columns come from the good rows. If records
// have several kinds of one feature, the most frequent kind counts. Without a
// good row there are no columns.
func TestBadRowsAreNotSampled(t *testing.T) {
	mixed := filestest.Framed(t, []byte("no tf.Example"), filestest.Encoded(t, filestest.Features{"x": filestest.IntFeature(1)}), filestest.Encoded(t, filestest.Features{"x": filestest.FloatFeature(1)}), filestest.Encoded(t, filestest.Features{"x": filestest.FloatFeature(2)}))
	for _, c := range []struct {
		format       files.Format
		path, schema string
	}{
		{files.JSON, filestest.JSONFile(t, `{"y":1,`, `7`, `{"x":1}`), "x:int64"},
		{files.JSON, filestest.JSONFile(t, `[`, `{"x":1},`, `]`), ""},
		{files.CSV, filestest.CSVFile(t, "x", `1,2`, `"`, `3`), "x:int64"},
		{files.TFRecord, filestest.File(t, "a.tfrecord", mixed), "x:float32"},
		{files.TFRecord, filestest.File(t, "a.tfrecord", filestest.Framed(t, []byte("no tf.Example"))), ""},
	} {
		data, err := files.Open(t.Context(), c.format, c.path, files.ReadOptions{BadRows: true})
		var own *files.Error
		if c.schema == "" {
			if !errors.As(err, &own) || own.Row != 0 {
				t.Errorf("%s: %v", c.format, err)
			}
			continue
		}
		if err != nil || fmt.Sprintf("%s:%s", data.Schema().Field(0).Name, data.Schema().Field(0).Type) != c.schema || data.Schema().NumFields() != 1 {
			t.Errorf("%s: %v, %v", c.format, data, err)
		}
		if _, err := files.Open(t.Context(), c.format, c.path, files.ReadOptions{}); err == nil {
			t.Errorf("%s: a bad row is sampled where none may be", c.format)
		}
	}
}

// TestDamageIsNoBadRow: a damaged file is an error, because the places of its
// rows are unknown.
func TestDamageIsNoBadRow(t *testing.T) {
	one := filestest.Framed(t, filestest.Encoded(t, filestest.Features{"x": filestest.IntFeature(1)}))
	damaged := slices.Concat(one, one)
	damaged[len(one)+14] ^= 1
	for name, c := range map[string]struct {
		format files.Format
		path   string
		o      files.ReadOptions
	}{
		"CRC":        {files.TFRecord, filestest.File(t, "a.tfrecord", damaged), files.ReadOptions{}},
		"cut short":  {files.TFRecord, filestest.File(t, "a.tfrecord", slices.Concat(one, one[:20])), files.ReadOptions{}},
		"open quote": {files.CSV, filestest.CSVFile(t, "x,y", "1,2", `"3,4`, "5,6"), files.ReadOptions{Options: map[string]string{"multiLine": "true"}}},
	} {
		o := c.o
		o.Schema = filestest.SchemaOf(filestest.Nullable("x", arrow.PrimitiveTypes.Int64))
		if _, bad, err := tolerant(t, c.format, c.path, o); err == nil || len(bad) > 0 {
			t.Errorf("%s: bad rows %v, %v", name, bad, err)
		}
	}
}

// TestOtherColumnsSpoilNoRow: further columns besides the sampled ones do not
// make a row bad.
func TestOtherColumnsSpoilNoRow(t *testing.T) {
	var lines []string
	var records [][]byte
	for i := range rowformat.SampleRows + 1 {
		line, record := `{"x":1}`, filestest.Features{"x": filestest.IntFeature(1)}
		if i == rowformat.SampleRows {
			line, record = `{"x":1,"late":2}`, filestest.Features{"x": filestest.IntFeature(1), "late": filestest.IntFeature(2)}
		}
		lines, records = append(lines, line), append(records, filestest.Encoded(t, record))
	}
	for format, path := range map[files.Format]string{files.JSON: filestest.JSONFile(t, lines...), files.TFRecord: filestest.File(t, "a.tfrecord", filestest.Framed(t, records...))} {
		rows, bad, err := tolerant(t, format, path, files.ReadOptions{})
		if len(rows) != len(lines) || len(bad) != 0 || err != nil {
			t.Errorf("%s: %d rows, %v, %v", format, len(rows), bad, err)
		}
		if _, err := everyRow(t, format, path, files.ReadOptions{}); err == nil {
			t.Errorf("%s: a column is lost", format)
		}
	}
}
