package csv_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
	"tfos/internal/files/jsontext"
	"tfos/internal/files/rowformat"
)

func TestCSVInference(t *testing.T) {
	for _, c := range []struct{ cells, want string }{
		{"1|2|", "int64"}, {"1|2.5", "float64"}, {"1|NaN|-inf|Infinity", "float64"}, {"true|False", "bool"},
		{"1|true", "utf8"}, {"1|x", "utf8"}, {`""|`, "utf8"}, {`"1"|2`, "int64"}, {"9223372036854775807", "int64"},
		{"9223372036854775808", "utf8"}, {"1e3", "float64"}, {"0x10", "utf8"}, {"1_000", "utf8"}, {"007", "int64"},
	} {
		t.Run(c.cells, func(t *testing.T) {
			lines := []string{"a,b"}
			for _, cell := range strings.Split(c.cells, "|") {
				lines = append(lines, cell+",z")
			}
			d, _, err := filestest.OpenRows(t, files.CSV, filestest.CSVFile(t, lines...), files.ReadOptions{})
			if err != nil || filestest.SchemaText(d.Schema()) != "a:"+c.want+" b:utf8" {
				t.Errorf("schema %v (%v), want a %s", d, err, c.want)
			}
		})
	}
}

// Spark 3.5, pandas 2.2 and pyarrow 18 wrote these files from the same rows.
func TestCSVDialects(t *testing.T) {
	rows := []string{`{"i":1,"s":"a,b"}`, `{"i":2,"s":""}`, `{"i":3,"s":null}`, `{"i":4,"s":"q\"q"}`, `{"i":5,"s":"c:\\d,e"}`, `{"i":null,"s":"é"}`}
	spark := filestest.CSVFile(t, `i,s`, `1,"a,b"`, `2,""`, `3,`, `4,"q\"q"`, `5,"c:\\d,e"`, `,é`)
	filestest.WantRows(t, files.CSV, spark, files.ReadOptions{}, "i:int64 s:utf8", rows...)
	pandas := filestest.CSVFile(t, `i,s`, `1.0,"a,b"`, `2.0,""`, `3.0,`, `4.0,"q""q"`, `5.0,"c:\d,e"`, `,é`)
	o := filestest.WithOptions("escape", `"`)
	o.Schema = filestest.SchemaOf(filestest.Nullable("i", arrow.PrimitiveTypes.Int64))
	filestest.WantRows(t, files.CSV, pandas, o, "i:int64 s:utf8", rows...)
	pyarrow := filestest.CSVFile(t, `"i","s"`, `1,"a,b"`, `2,""`, `3,`, `4,"q""q"`, `5,"c:\d,e"`, `,"é"`)
	filestest.WantRows(t, files.CSV, pyarrow, filestest.WithOptions("escape", `"`), "i:int64 s:utf8", rows...)
	// Spark's default dialect also reads quotes that are only doubled.
	filestest.WantRows(t, files.CSV, filestest.CSVFile(t, "s,t", `"a""b","""x"""`, `"""","\""`), files.ReadOptions{}, "", `{"s":"a\"b","t":"\"x\""}`, `{"s":"\"","t":"\""}`)
}

func TestCSVOptions(t *testing.T) {
	noHeader := filestest.WithOptions("header", "false", "sep", `\t`, "nullValue", "NULL")
	path := filestest.CSVFile(t, "1\tNULL", "2\t\"NULL\"", "NULL\t", "\t\t", "x\ty")
	filestest.WantError(t, files.CSV, path, noHeader, int64(len("1\tNULL\n2\t\"NULL\"\nNULL\t\n")), "3 cells where there are 2")
	path = filestest.CSVFile(t, "1\tNULL", "2\t\"NULL\"", "NULL\t", "\t")
	filestest.WantRows(t, files.CSV, path, noHeader, "_c0:int64 _c1:utf8",
		`{"_c0":1,"_c1":null}`, `{"_c0":2,"_c1":"NULL"}`, `{"_c0":null,"_c1":""}`, `{"_c0":null,"_c1":""}`)
	noHeader.Schema = filestest.SchemaOf(filestest.Nullable("id", arrow.PrimitiveTypes.Int8), filestest.Nullable("name", arrow.BinaryTypes.String))
	noHeader.Columns = []string{"name"}
	filestest.WantRows(t, files.CSV, path, noHeader, "name:utf8", `{"name":null}`, `{"name":"NULL"}`, `{"name":""}`, `{"name":""}`)
	filestest.CutsAgree(t, files.CSV, path, noHeader, 3)
	for _, bad := range []files.ReadOptions{filestest.WithOptions("delimiter", ";"), filestest.WithOptions("sep", ";;"), filestest.WithOptions("sep", `"`), filestest.WithOptions("header", "maybe"), filestest.WithOptions("nullValue", "a,b"), filestest.WithOptions("escape", ""),
		filestest.WithOptions("multiLine", "maybe"), filestest.WithOptions("sep", "\n"), filestest.WithOptions("sep", "\r"), filestest.WithOptions("sep", "\x80"), filestest.WithOptions("sep", `\`)} {
		if _, _, err := filestest.OpenRows(t, files.CSV, path, bad); err == nil || !strings.Contains(err.Error(), "option") {
			t.Errorf("options %v: %v", bad.Options, err)
		}
	}
}

func TestCSVRowsOfSeveralLines(t *testing.T) {
	path := filestest.CSVFile(t, "a,b", `1,"two`, `lines"`, ``, `2,"x""`, `\"`, `y"`, `3,plain`)
	filestest.WantError(t, files.CSV, path, files.ReadOptions{}, 4, "multiLine")
	multi := filestest.WithOptions("multiLine", "true")
	filestest.WantRows(t, files.CSV, path, multi, "a:int64 b:utf8", `{"a":1,"b":"two\nlines"}`, `{"a":2,"b":"x\"\n\"\ny"}`, `{"a":3,"b":"plain"}`)
	filestest.CutsAgree(t, files.CSV, path, multi, 5)
	filestest.WantError(t, files.CSV, filestest.CSVFile(t, "a,b", `1,"open`, "2,x"), multi, 4, "does not end")
	bom := filestest.File(t, "bom.csv", []byte("\xef\xbb\xbf\"a\r\nb\"\r\n1\r\n"))
	filestest.WantRows(t, files.CSV, bom, multi, "", `{"a\r\nb":1}`)
}

func TestCSVTypedCells(t *testing.T) {
	path := filestest.CSVFile(t, "l,b,f,t,n,extra", `"[1,null]",AP8=, 1.5 ,TRUE,255,x`, `[],"",nan,false,0,x`, `,,,,,x`)
	o := files.ReadOptions{Columns: []string{"n", "l", "b", "f", "t"}, Schema: filestest.SchemaOf(
		filestest.Nullable("l", arrow.ListOf(arrow.PrimitiveTypes.Int8)), filestest.Nullable("b", arrow.BinaryTypes.Binary),
		filestest.Nullable("f", arrow.PrimitiveTypes.Float32), filestest.Nullable("t", arrow.FixedWidthTypes.Boolean), filestest.Nullable("n", arrow.PrimitiveTypes.Uint8))}
	filestest.WantRows(t, files.CSV, path, o, "n:uint8 l:list<int8, nullable> b:binary f:float32 t:bool",
		`{"n":255,"l":[1,null],"b":"AP8=","f":1.5,"t":true}`, `{"n":0,"l":[],"b":"","f":"NaN","t":false}`, `{"n":null,"l":null,"b":null,"f":null,"t":null}`)
	filestest.WantRows(t, files.CSV, path, files.ReadOptions{Columns: []string{"l"}}, "l:utf8", `{"l":"[1,null]"}`, `{"l":"[]"}`, `{"l":null}`)
}

func TestCSVRefusals(t *testing.T) {
	declare := func(t arrow.DataType) *arrow.Schema { return filestest.SchemaOf(filestest.Nullable("a", t)) }
	for _, c := range []struct {
		row    string
		schema *arrow.Schema
		says   string
	}{
		{"256,", declare(arrow.PrimitiveTypes.Uint8), `column "a": "256" is not a uint8`},
		{"x,", declare(arrow.PrimitiveTypes.Float64), `is not a double`},
		{"yes,", declare(arrow.FixedWidthTypes.Boolean), `is not a bool`},
		{"[1,", declare(arrow.BinaryTypes.String), ""},
		{`"[1",`, declare(arrow.ListOf(arrow.PrimitiveTypes.Int64)), `ends too early`},
		{`[1]x,`, declare(arrow.ListOf(arrow.PrimitiveTypes.Int64)), `the row's end`},
		{"*,", declare(arrow.BinaryTypes.Binary), `not base64`},
		{"\xff,", declare(arrow.BinaryTypes.String), `not UTF-8`},
		{"1", declare(arrow.PrimitiveTypes.Int64), `1 cells where there are 2`},
		{`"a"b,`, declare(arrow.BinaryTypes.String), `cell 1: text after`},
		{"a\rb,", declare(arrow.BinaryTypes.String), `carriage return`},
		{"\rb,", declare(arrow.BinaryTypes.String), `carriage return`},
		{"9007199254740993,", declare(arrow.PrimitiveTypes.Float64), `would be rounded`},
		{`"a\",x`, declare(arrow.BinaryTypes.String), `escape`},
	} {
		t.Run(c.row, func(t *testing.T) {
			path := filestest.CSVFile(t, "a,b\n"+strings.Repeat(",\n", rowformat.SampleRows)+c.row)
			if c.says == "" {
				if _, _, err := filestest.OpenRows(t, files.CSV, path, files.ReadOptions{Schema: c.schema}); err != nil {
					t.Error(err)
				}
				return
			}
			filestest.WantError(t, files.CSV, path, files.ReadOptions{Schema: c.schema}, int64(4+2*rowformat.SampleRows), c.says, fmt.Sprintf("row %d", rowformat.SampleRows))
		})
	}
	required := filestest.SchemaOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64})
	filestest.WantError(t, files.CSV, filestest.CSVFile(t, "a,b", ",2"), files.ReadOptions{Schema: required}, 4, `column "a": null`)
	filestest.WantError(t, files.CSV, filestest.CSVFile(t, "a,b\r1,2\r"), files.ReadOptions{}, 0, "carriage return")
	filestest.WantError(t, files.CSV, filestest.CSVFile(t, "a,a", "1,2"), files.ReadOptions{}, 0, "twice")
	filestest.WantError(t, files.CSV, filestest.CSVFile(t, "a,b", "1,2"), files.ReadOptions{Schema: filestest.SchemaOf(filestest.Nullable("c", arrow.PrimitiveTypes.Int64))}, -1, `no column "c"`)
}

// TestCSVNames: the names of columns come from the header, from the declared
// schema if there is no header, and else from their place.
func TestCSVNames(t *testing.T) {
	int64s := func(names ...string) files.ReadOptions {
		var fields []arrow.Field
		for _, name := range names {
			fields = append(fields, filestest.Nullable(name, arrow.PrimitiveTypes.Int64))
		}
		return files.ReadOptions{Schema: filestest.SchemaOf(fields...), Options: map[string]string{}}
	}
	filestest.WantRows(t, files.CSV, filestest.CSVFile(t, "a,,c", "1,2,3"), files.ReadOptions{}, "", `{"a":1,"_c1":2,"c":3}`)
	filestest.WantError(t, files.CSV, filestest.CSVFile(t, "a,", "1,2"), int64s("a", "y"), -1, `no column "y"`)
	filestest.WantError(t, files.CSV, filestest.CSVFile(t, "a,\xff", "1,2"), files.ReadOptions{}, 0, "UTF-8")
	for _, names := range [][]string{{"a"}, {"a", "b", "c"}} {
		o := int64s(names...)
		o.Options["header"] = "false"
		filestest.WantError(t, files.CSV, filestest.CSVFile(t, "1,2"), o, 0, "must declare all")
	}
	multi := filestest.WithOptions("multiLine", "true")
	filestest.WantRows(t, files.CSV, filestest.CSVFile(t, `"ab`, `c"`, "1"), multi, "", `{"ab\nc":1}`)
}

// TestCSVLongRows: the end of a row of several lines is found far beyond what
// one read returns.
func TestCSVLongRows(t *testing.T) {
	lines := strings.Repeat(`x\n\"y`, 3*rowformat.StreamBytes/4)
	rows := []string{`{"i":1,"s":"` + lines + `"}`, `{"i":2,"s":"short"}`, `{"i":3,"s":"` + lines + `z"}`}
	o := filestest.WithOptions("multiLine", "true")
	o.Schema = filestest.SchemaOf(filestest.Nullable("i", arrow.PrimitiveTypes.Int64), filestest.Nullable("s", arrow.BinaryTypes.String))
	out := filestest.MustWrite(t, files.CSV, o.Schema, files.WriteOptions{Options: o.Options}, "["+strings.Join(rows, ",")+"]")
	filestest.WantRows(t, files.CSV, filestest.File(t, "a.csv", out), o, "", rows...)
}

// Files of a folder may have their columns in different orders.
func TestCSVFiles(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"0.csv": "", "1.csv": "a,b\n1,x\n", "2.csv": "b,a\ny,2\n", "3.csv": "a,b\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	filestest.WantRows(t, files.CSV, folder, files.ReadOptions{}, "a:int64 b:utf8", `{"a":1,"b":"x"}`, `{"a":2,"b":"y"}`)
	filestest.WantRows(t, files.CSV, filestest.File(t, "none.csv", nil), files.ReadOptions{}, "")
	zipped := filestest.File(t, "a.csv.gz", filestest.GzipBytes([]byte("a,b\r\n1,x\r\n\r\n2,y")))
	filestest.WantRows(t, files.CSV, zipped, files.ReadOptions{}, "", `{"a":1,"b":"x"}`, `{"a":2,"b":"y"}`)
	filestest.CutsAgree(t, files.CSV, zipped, files.ReadOptions{}, 2)
	filestest.CutsAgree(t, files.CSV, zipped, filestest.WithOptions("header", "false"), 2)
	blank := filestest.CSVFile(t, "", "", "a,b", "1,x", "", "2,y") // splits may begin before the header
	filestest.WantRows(t, files.CSV, blank, files.ReadOptions{}, "", `{"a":1,"b":"x"}`, `{"a":2,"b":"y"}`)
	filestest.CutsAgree(t, files.CSV, blank, files.ReadOptions{}, 2)
}

func TestCSVWriteAndRead(t *testing.T) {
	schema := filestest.SchemaOf(filestest.Nullable("s", arrow.BinaryTypes.String), filestest.Nullable("f", arrow.PrimitiveTypes.Float64), filestest.Nullable("u", arrow.PrimitiveTypes.Uint64),
		filestest.Nullable("b", arrow.BinaryTypes.Binary), filestest.Nullable("t", arrow.FixedWidthTypes.Boolean), filestest.Nullable("l", arrow.ListOf(arrow.BinaryTypes.String)))
	rows := []string{
		`{"s":"q\" b\\\" \\ , é","f":1.0,"u":18446744073709551615,"b":"AP8=","t":true,"l":["a,\"\\",null,""]}`,
		`{"s":null,"f":null,"u":null,"b":null,"t":null,"l":null}`,
		`{"s":"","f":-1e-09,"u":0,"b":"","t":false,"l":[]}`,
		`{"s":" NULL\\","f":0.1,"u":0,"b":"","t":false,"l":["x"]}`,
		`{"s":"NULL","f":0.1,"u":0,"b":"","t":false,"l":["x\r"]}`,
	}
	for _, options := range [][]string{{}, {"escape", `"`}, {"sep", ";", "nullValue", "NULL"}, {"header", "false", "multiLine", "true"}} {
		o := filestest.WithOptions(options...)
		o.Schema = schema
		out := filestest.MustWrite(t, files.CSV, schema, files.WriteOptions{Options: o.Options}, "["+strings.Join(rows, ",")+"]")
		path := filestest.File(t, "a.csv", out)
		filestest.WantRows(t, files.CSV, path, o, "", rows...)
		filestest.CutsAgree(t, files.CSV, path, o, 11)
	}
	text := filestest.SchemaOf(filestest.Nullable("s", arrow.BinaryTypes.String))
	if _, err := filestest.Written(files.CSV, text, files.WriteOptions{}, `[{"s":"a\nb"}]`); err == nil || !strings.Contains(err.Error(), "multiLine") {
		t.Errorf("a line end is written: %v", err)
	}
	if _, err := filestest.Written(files.CSV, text, files.WriteOptions{}, `[{"s":null}]`); err == nil || !strings.Contains(err.Error(), "nullValue") {
		t.Errorf("an only column's null is written: %v", err)
	}
	if out := filestest.MustWrite(t, files.CSV, filestest.SchemaOf(filestest.Nullable("i", arrow.PrimitiveTypes.Int8)), files.WriteOptions{}, `[{"i":null},{"i":1}]`); string(out) != "i\n\"\"\n1\n" {
		t.Errorf("wrote %q", out)
	}
	if _, err := filestest.Written(files.CSV, filestest.SchemaOf(filestest.Nullable("d", arrow.FixedWidthTypes.Date32)), files.WriteOptions{}, "[]"); !errors.Is(err, files.ErrType) {
		t.Errorf("a date is written: %v", err)
	}
}

// Reading returns what was written, whole or in any splits, for any cells.
func FuzzCSVSplits(f *testing.F) {
	f.Add("a,b\"\\", uint8(0), uint64(1))
	f.Add("\"\"\\\\,\r", uint8(1), uint64(2))
	f.Add("x\ny\r\n\"", uint8(2), uint64(3))
	f.Add(" \t", uint8(3), uint64(4))
	f.Fuzz(func(t *testing.T, s string, kind uint8, seed uint64) {
		o := filestest.WithOptions([][]string{{}, {"escape", `"`}, {"multiLine", "true"}, {"header", "false", "escape", `"`, "multiLine", "true"}}[kind%4]...)
		s = strings.ToValidUTF8(s, "?")
		if o.Options["multiLine"] == "" {
			s = strings.ReplaceAll(s, "\n", "/")
		}
		schema := filestest.SchemaOf(filestest.Nullable("i", arrow.PrimitiveTypes.Int64), filestest.Nullable("s", arrow.BinaryTypes.String), filestest.Nullable("l", arrow.ListOf(arrow.BinaryTypes.String)))
		var want []string
		for i := range 12 {
			part := strings.ToValidUTF8(s[:i*len(s)/11], "?")
			text, _ := jsontext.Quote(nil, part)
			null := []string{string(text), "null"}[i%2]
			want = append(want, fmt.Sprintf(`{"i":%d,"s":%s,"l":[%s,null]}`, i, null, text))
		}
		out, err := filestest.Written(files.CSV, schema, files.WriteOptions{Options: o.Options}, "["+strings.Join(want, ",")+"]")
		if err != nil {
			t.Fatal(err)
		}
		o.Schema = schema
		path := filestest.File(t, "a.csv", out)
		_, got, err := filestest.OpenRows(t, files.CSV, path, o)
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%v\n%q\nread\n%s\nwrote\n%s", err, out, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		filestest.CutsAgree(t, files.CSV, path, o, seed)
	})
}
