package jsontext

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files/codec"
)

// TestAppend: a value is appended as the type has it, or is an error. Values
// that are read are written again (Encode).
func TestAppend(t *testing.T) {
	i64, f32, text := arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float32, arrow.BinaryTypes.String
	for _, c := range []struct {
		dt         arrow.DataType
		text, want string // want "": an error
	}{
		{i64, `7`, `7`}, {i64, `null`, `null`}, {i64, `"7"`, ``}, {i64, `"NaN"`, ``}, {i64, `[7]`, ``}, {i64, `nul`, ``},
		{f32, `"NaN"`, `"NaN"`}, {f32, `-Infinity`, `"-Infinity"`}, {f32, `"1"`, ``}, {f32, `"Na`, ``},
		{arrow.FixedWidthTypes.Boolean, `true`, `true`}, {arrow.FixedWidthTypes.Boolean, `false`, `false`}, {arrow.FixedWidthTypes.Boolean, `0`, ``},
		{text, `"a\rb\u0001"`, `"a\rb\u0001"`}, {text, ` {"a": [1, 2]}`, `"{\"a\": [1, 2]}"`}, {text, `{"a"`, ``}, {text, `"a`, ``},
		{arrow.BinaryTypes.Binary, `"AP8="`, `"AP8="`}, {arrow.BinaryTypes.Binary, `5`, ``}, {arrow.BinaryTypes.Binary, `"AP8"`, ``},
		{arrow.ListOf(i64), `[]`, `[]`}, {arrow.ListOf(i64), ` [ 1 , null ]`, `[1,null]`}, {arrow.ListOf(i64), `1]`, ``}, {arrow.ListOf(i64), `[1,"2"]`, ``}, {arrow.ListOf(i64), `[1`, ``},
		{arrow.FixedSizeListOf(2, i64), `[1,2]`, `[1,2]`}, {arrow.FixedSizeListOf(2, i64), `[1]`, ``}, {arrow.FixedSizeListOf(2, i64), `[1,2,3]`, ``}, {arrow.FixedSizeListOf(2, i64), `[]`, ``},
		{arrow.ListOfNonNullable(i64), `[1,null]`, ``},
	} {
		b := array.NewBuilder(memory.DefaultAllocator, c.dt)
		read, err := NewAppend(b, arrow.Field{Name: "a", Type: c.dt, Nullable: true})
		if err != nil {
			t.Fatal(c.dt, err)
		}
		cursor := &Text{Bytes: []byte(c.text)}
		err = read(cursor)
		if err == nil {
			err = cursor.End()
		}
		if (err == nil) != (c.want != "") {
			t.Errorf("%s as %s: %v, want %s", c.text, c.dt, err, c.want)
		}
		if err == nil {
			a := b.NewArray()
			if got, err := NewEncode(a)(nil, 0); err != nil || string(got) != c.want || a.Len() != 1 || !json.Valid(got) {
				t.Errorf("%s as %s: %s (%v) of %d values, want %s", c.text, c.dt, got, err, a.Len(), c.want)
			}
			a.Release()
		}
		b.Release()
	}
	date := arrow.FixedWidthTypes.Date32
	for _, dt := range []arrow.DataType{date, arrow.ListOf(date), arrow.ListOf(arrow.ListOf(date)), arrow.MapOf(text, i64), arrow.ListOf(arrow.MapOf(text, i64)), arrow.StructOf()} {
		b := array.NewBuilder(memory.DefaultAllocator, dt)
		if _, err := NewAppend(b, arrow.Field{Type: dt}); !errors.Is(err, codec.ErrType) || Holds(dt) {
			t.Errorf("%s: %v, held: %t", dt, err, Holds(dt))
		}
		b.Release()
	}
}

// TestEncodeTextThatIsNoUTF8 is an error, also in a list: JSON is UTF-8.
func TestEncodeTextThatIsNoUTF8(t *testing.T) {
	b := array.NewListBuilder(memory.DefaultAllocator, arrow.BinaryTypes.String)
	defer b.Release()
	b.Append(true)
	b.ValueBuilder().(*array.StringBuilder).AppendValues([]string{"a", "\xff", "b"}, nil)
	a := b.NewListArray()
	defer a.Release()
	if got, err := NewEncode(a)(nil, 0); err == nil {
		t.Errorf("the list is %q", got)
	}
	if got, err := NewEncode(a.ListValues())(nil, 1); err == nil {
		t.Errorf("the text is %q", got)
	}
}
