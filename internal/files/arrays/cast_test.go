package arrays_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
	"tfos/internal/files/arrays"
	"tfos/internal/files/filestest"
)

// A conversion keeps what a value means, or is an error.
func TestCast(t *testing.T) {
	types, fixed := arrow.PrimitiveTypes, arrow.FixedWidthTypes
	for _, c := range []struct {
		from   arrow.DataType
		values string
		to     arrow.DataType
		want   string // "": refused
	}{
		{types.Int64, `[5]`, fixed.Boolean, ""},
		{types.Float64, `[0.5]`, fixed.Boolean, ""},
		{fixed.Timestamp_us, `["2020-01-01T05:06:07Z"]`, fixed.Date32, ""},
		{fixed.Timestamp_us, `["2020-01-01T05:06:07Z"]`, fixed.Time64us, ""},
		{fixed.Timestamp_us, `["1970-01-01T00:00:01Z"]`, types.Int64, `[1000000]`},
		{types.Float64, `[1e300]`, types.Float32, ""},
		{types.Float64, `[0.1, null]`, types.Float32, `[0.1,null]`},
		{types.Int64, `[9007199254740993]`, types.Float64, ""},
		{types.Int64, `[300]`, types.Int8, ""},
		{types.Float64, `[1.5]`, types.Int64, ""},
		{types.Int64, `[7]`, arrow.BinaryTypes.String, `["7"]`},
		{fixed.Boolean, `[true]`, types.Int8, `[1]`},
		{arrow.BinaryTypes.String, `["00123", null]`, types.Int64, `[123,null]`},
		{arrow.BinaryTypes.String, `["0x1f"]`, types.Int64, ""},
		{arrow.BinaryTypes.String, `["1.5"]`, types.Float32, `[1.5]`},
		{arrow.ListOf(types.Float64), `[[1e300]]`, arrow.ListOf(types.Float32), ""},
	} {
		t.Run(c.from.String()+" as "+c.to.String(), func(t *testing.T) {
			mem := memory.DefaultAllocator // the library's casts to text leak memory
			a := filestest.ArrayOf(t, mem, c.from, c.values)
			defer a.Release()
			out, err := arrays.Cast(mem, a, c.to)
			if err != nil {
				if c.want != "" || !strings.Contains(err.Error(), "cannot be read as") {
					t.Error(err)
				}
				return
			}
			defer out.Release()
			if text, err := out.MarshalJSON(); err != nil || string(text) != c.want {
				t.Errorf("%s, %v; want %q", text, err, c.want)
			}
		})
	}
}

// A cast drops the values below null lists.
func TestCastListsWithHiddenValues(t *testing.T) {
	mem := filestest.Checked(t)
	a := filestest.ArrayOf(t, mem, arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int64), `[[1,2],null,[3,4]]`)
	defer a.Release()
	out, err := arrays.Cast(mem, a, arrow.ListOf(arrow.PrimitiveTypes.Int64))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Release()
	if values := out.(*array.List).ListValues(); values.Len() != 4 || out.String() != "[[1 2] (null) [3 4]]" {
		t.Errorf("%s with %d values", out, values.Len())
	}
}

// A null in a column without nulls is an error, at any depth. A value below
// another null is not a null of its column.
func TestNullsThatAreDeclaredAbsent(t *testing.T) {
	required := func(name string) arrow.Field { return arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64} }
	number := filestest.Nullable("x", arrow.PrimitiveTypes.Int64)
	for _, c := range []struct {
		from, to arrow.DataType
		nullable bool
		values   string
		names    string // "": it is read
	}{
		{number.Type, number.Type, false, `[1,null,3]`, `column "v"`},
		{number.Type, number.Type, false, `[1,2,3]`, ""},
		{arrow.StructOf(number), arrow.StructOf(required("x")), true, `[{"x":1},{"x":null}]`, `column "v.x"`},
		{arrow.StructOf(number), arrow.StructOf(required("x")), true, `[{"x":1},null]`, ""},
		{arrow.ListOf(number.Type), arrow.ListOfField(required("item")), true, `[[1,null]]`, `column "v.item"`},
		{arrow.ListOf(number.Type), arrow.ListOfField(required("item")), true, `[[1],null,[2]]`, ""},
	} {
		for _, k := range filestest.Columnar() {
			path := filepath.Join(t.TempDir(), "a"+k.Ext)
			a := filestest.ArrayOf(t, memory.DefaultAllocator, c.from, c.values)
			k.Write(t, path, array.NewRecord(filestest.SchemaOf(filestest.Nullable("v", c.from)), []arrow.Array{a}, int64(a.Len())))
			schema := filestest.SchemaOf(arrow.Field{Name: "v", Type: c.to, Nullable: c.nullable})
			records, err := k.Read(t.Context(), path, 0, files.ReadOptions{Schema: schema, Memory: filestest.Checked(t)})
			filestest.ReleaseRecords(records)
			var at *files.Error
			if (c.names == "") != (err == nil) || err != nil && (!errors.As(err, &at) || !strings.Contains(err.Error(), c.names+": null")) {
				t.Errorf("%s: %s as %s: %v; want %q", k.Format, c.values, c.to, err, c.names)
			}
		}
	}
}

// Columns of the same name are an error. Otherwise the first one would be read
// twice.
func TestColumnsOfOneName(t *testing.T) {
	for _, k := range filestest.Columnar() {
		path := filepath.Join(t.TempDir(), "a"+k.Ext)
		a := filestest.ArrayOf(t, memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, `[1]`)
		n := filestest.Nullable("a", arrow.PrimitiveTypes.Int64)
		k.Write(t, path, array.NewRecord(filestest.SchemaOf(n, n), []arrow.Array{a, a}, 1))
		for _, columns := range [][]string{nil, {"a"}} {
			if _, err := files.Open(t.Context(), k.Format, path, files.ReadOptions{Columns: columns}); err == nil || !strings.Contains(err.Error(), `2 columns are named "a"`) {
				t.Errorf("%s: %v", k.Format, err)
			}
		}
	}
}
