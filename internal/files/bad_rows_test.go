package files

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
)

// tolerant reads a whole file in records of two rows, and returns its rows as
// JSON and its bad rows as text.
func tolerant(t *testing.T, format Format, path string, o ReadOptions) (rows, bad []string, err error) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	o.BadRows, o.BatchRows, o.Memory = true, 2, mem
	data, err := Open(t.Context(), format, path, o)
	if err != nil {
		return nil, nil, err
	}
	r, err := data.Read(t.Context(), Split{Path: path, Length: math.MaxInt64})
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
		for _, b := range Bad(r) {
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

// TestBadRowsKeepTheirPlace: a row that cannot be read is null where it cannot,
// and the others are as they are without it: behind lists that were begun, and
// text that ends too early.
func TestBadRowsKeepTheirPlace(t *testing.T) {
	schema := schemaOf(nullable("id", arrow.BinaryTypes.String), nullable("x", arrow.ListOf(arrow.PrimitiveTypes.Int64)), nullable("n", arrow.PrimitiveTypes.Int8))
	for name, c := range map[string]struct {
		format    Format
		path      string
		rows, bad []string
	}{
		"json": {JSON, jsonFile(t,
			`{"id":"a","x":[1,2],"n":1}`, `{"x":[3,"four"],"id":"b","n":300}`, `"c"`, `{"id":"d","x":[5],"n":2} {}`, `{"id":"e","x":null}`, `{"id":"f","x":[6`, `{"id":"g","x":[7,8,9],"n":3}`),
			[]string{`{"id":"a","n":1,"x":[1,2]}`, `{"id":"b","n":null,"x":null}`, `{"id":null,"n":null,"x":null}`, `{"id":"d","n":2,"x":[5]}`,
				`{"id":"e","n":null,"x":null}`, `{"id":"f","n":null,"x":null}`, `{"id":"g","n":3,"x":[7,8,9]}`},
			[]string{`1 "x" at 27: element 1: "\"four\"],\"id\":\"b\",\"n\""… where a number should be, 8 bytes into the row`,
				`2 "" at 61: "\"c\"\n" where an object should be, 0 bytes into the row`,
				`3 "" at 65: "{}\n" where the row's end should be, 25 bytes into the row`,
				`5 "x" at 113: the JSON text ends too early`}},
		"csv": {CSV, csvFile(t, "id,x,n", `a,"[1,2]",1`, `b,"[3,four]",300`, `c`, `d,,`, `"e,"[5]",2`, `f,"[7,8,9]",3`),
			[]string{`{"id":"a","n":1,"x":[1,2]}`, `{"id":"b","n":null,"x":null}`, `{"id":null,"n":null,"x":null}`, `{"id":"d","n":null,"x":null}`,
				`{"id":null,"n":null,"x":null}`, `{"id":"f","n":3,"x":[7,8,9]}`},
			[]string{`1 "x" at 19: element 1: "four]" where a number should be, 3 bytes into the row`, `2 "" at 36: a row of 1 cells where there are 3 columns`,
				`4 "" at 42: cell 1: text after a quoted cell`}},
		"tfrecord": {TFRecord, fileOf(t, "a.tfrecord", framed(t,
			encoded(t, features{"id": bytesFeature("a"), "x": intFeature(1, 2), "n": intFeature(1)}),
			encoded(t, features{"id": bytesFeature("b"), "x": intFeature(3), "n": intFeature(1, 2, 3)}),
			encoded(t, features{"id": bytesFeature("c"), "x": floatFeature(3), "n": intFeature(4)}),
			[]byte("no tf.Example"),
			encoded(t, features{"id": bytesFeature("e"), "n": intFeature(300), "x": intFeature(5)}),
			encoded(t, features{"id": bytesFeature("\xff"), "n": intFeature(6), "x": intFeature(7, 8, 9)}),
			encoded(t, features{"id": bytesFeature("g"), "n": intFeature(7), "x": intFeature(7, 8, 9)}))),
			[]string{`{"id":"a","n":1,"x":[1,2]}`, `{"id":"b","n":null,"x":[3]}`, `{"id":"c","n":4,"x":null}`, `{"id":null,"n":null,"x":null}`,
				`{"id":"e","n":null,"x":[5]}`, `{"id":null,"n":6,"x":[7,8,9]}`, `{"id":"g","n":7,"x":[7,8,9]}`},
			[]string{`1 "n" at 56: feature "n" has 3 values where its column is one int8`, `2 "x" at `, `3 "" at `, `4 "n" at `, `5 "id" at `}},
	} {
		t.Run(name, func(t *testing.T) {
			rows, bad, err := tolerant(t, c.format, c.path, ReadOptions{Schema: schema})
			if err != nil || !slices.Equal(rows, c.rows) {
				t.Errorf("rows %s, want %s; %v", strings.Join(rows, "\n"), strings.Join(c.rows, "\n"), err)
			}
			if !slices.EqualFunc(bad, c.bad, strings.HasPrefix) || strings.Contains(strings.Join(bad, ""), "int8; declare") {
				t.Errorf("bad rows %s, want %s", strings.Join(bad, "\n"), strings.Join(c.bad, "\n"))
			}
			if _, err := everyRow(t, c.format, c.path, ReadOptions{Schema: schema}); err == nil || !strings.Contains(err.Error(), ", row ") {
				t.Errorf("without BadRows: %v", err)
			}
		})
	}
}

// everyRow reads a file as others do.
func everyRow(t *testing.T, format Format, path string, o ReadOptions) (rows int64, err error) {
	t.Helper()
	data, err := Open(t.Context(), format, path, o)
	if err != nil {
		return 0, err
	}
	r, err := data.Read(t.Context(), Split{Path: path, Length: math.MaxInt64})
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

// TestBadRowsAreNotSampled: columns are those of the other rows, of two kinds of
// one feature the one that most have; without another row there are none.
func TestBadRowsAreNotSampled(t *testing.T) {
	mixed := framed(t, []byte("no tf.Example"), encoded(t, features{"x": intFeature(1)}), encoded(t, features{"x": floatFeature(1)}), encoded(t, features{"x": floatFeature(2)}))
	for _, c := range []struct {
		format       Format
		path, schema string
	}{
		{JSON, jsonFile(t, `{"y":1,`, `7`, `{"x":1}`), "x:int64"},
		{JSON, jsonFile(t, `[`, `{"x":1},`, `]`), ""},
		{CSV, csvFile(t, "x", `1,2`, `"`, `3`), "x:int64"},
		{TFRecord, fileOf(t, "a.tfrecord", mixed), "x:float32"},
		{TFRecord, fileOf(t, "a.tfrecord", framed(t, []byte("no tf.Example"))), ""},
	} {
		data, err := Open(t.Context(), c.format, c.path, ReadOptions{BadRows: true})
		var own *Error
		if c.schema == "" {
			if !errors.As(err, &own) || own.Row != 0 {
				t.Errorf("%s: %v", c.format, err)
			}
			continue
		}
		if err != nil || fmt.Sprintf("%s:%s", data.Schema().Field(0).Name, data.Schema().Field(0).Type) != c.schema || data.Schema().NumFields() != 1 {
			t.Errorf("%s: %v, %v", c.format, data, err)
		}
		if _, err := Open(t.Context(), c.format, c.path, ReadOptions{}); err == nil {
			t.Errorf("%s: a bad row is sampled where none may be", c.format)
		}
	}
}

// TestDamageIsNoBadRow: of a damaged file it is not known where rows are.
func TestDamageIsNoBadRow(t *testing.T) {
	one := framed(t, encoded(t, features{"x": intFeature(1)}))
	damaged := slices.Concat(one, one)
	damaged[len(one)+14] ^= 1
	for name, c := range map[string]struct {
		format Format
		path   string
		o      ReadOptions
	}{
		"CRC":        {TFRecord, fileOf(t, "a.tfrecord", damaged), ReadOptions{}},
		"cut short":  {TFRecord, fileOf(t, "a.tfrecord", slices.Concat(one, one[:20])), ReadOptions{}},
		"open quote": {CSV, csvFile(t, "x,y", "1,2", `"3,4`, "5,6"), ReadOptions{Options: map[string]string{"multiLine": "true"}}},
	} {
		o := c.o
		o.Schema = schemaOf(nullable("x", arrow.PrimitiveTypes.Int64))
		if _, bad, err := tolerant(t, c.format, c.path, o); err == nil || len(bad) > 0 {
			t.Errorf("%s: bad rows %v, %v", name, bad, err)
		}
	}
}

// TestOtherColumnsSpoilNoRow: what a row holds beside the sampled columns.
func TestOtherColumnsSpoilNoRow(t *testing.T) {
	var lines []string
	var records [][]byte
	for i := range sampleRows + 1 {
		line, record := `{"x":1}`, features{"x": intFeature(1)}
		if i == sampleRows {
			line, record = `{"x":1,"late":2}`, features{"x": intFeature(1), "late": intFeature(2)}
		}
		lines, records = append(lines, line), append(records, encoded(t, record))
	}
	for format, path := range map[Format]string{JSON: jsonFile(t, lines...), TFRecord: fileOf(t, "a.tfrecord", framed(t, records...))} {
		rows, bad, err := tolerant(t, format, path, ReadOptions{})
		if len(rows) != len(lines) || len(bad) != 0 || err != nil {
			t.Errorf("%s: %d rows, %v, %v", format, len(rows), bad, err)
		}
		if _, err := everyRow(t, format, path, ReadOptions{}); err == nil {
			t.Errorf("%s: a column is lost", format)
		}
	}
}
