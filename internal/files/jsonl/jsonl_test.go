package jsonl_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
	"tfos/internal/files/jsontext"
	"tfos/internal/files/rowformat"
)

func TestJSONInference(t *testing.T) {
	for _, c := range []struct{ name, schema, want string }{
		{`{"a":1}`, "a:int64", `{"a":1}`},
		{`{"a":9007199254740993}`, "a:int64", `{"a":9007199254740993}`},
		{`{"a":1}|{"a":2.5}`, "a:float64", `{"a":1.0}|{"a":2.5}`},
		{`{"a":9223372036854775808}`, "a:utf8", `{"a":"9223372036854775808"}`},
		{`{"a":9007199254740993}|{"a":0.5}`, "a:utf8", `{"a":"9007199254740993"}|{"a":"0.5"}`},
		{`{"a":9007199254740993}|{"a":1}`, "a:int64", `{"a":9007199254740993}|{"a":1}`},
		{`{"a":9007199254740992}|{"a":0.5}`, "a:float64", `{"a":9.007199254740992e+15}|{"a":0.5}`},
		{`{"a":true}|{"a":null}|{}`, "a:bool", `{"a":true}|{"a":null}|{"a":null}`},
		{`{"a":"x"}|{"b":"y"}`, "a:utf8 b:utf8", `{"a":"x","b":null}|{"a":null,"b":"y"}`},
		{`{"a":[1,2]}|{"a":[]}|{"a":[3,null]}`, "a:list<int64, nullable>", `{"a":[1,2]}|{"a":[]}|{"a":[3,null]}`},
		{`{"a":[1]}|{"a":[0.5]}`, "a:list<float64, nullable>", `{"a":[1.0]}|{"a":[0.5]}`},
		{`{"a":[["x"],[]]}`, "a:list<list<utf8, nullable>, nullable>", `{"a":[["x"],[]]}`},
		{`{"a":[]}|{"a":null}`, "a:list<utf8, nullable>", `{"a":[]}|{"a":null}`},
		{`{"a":null}`, "a:utf8", `{"a":null}`},
		{`{"a":1}|{"a":"x"}|{"a":{"b": [1]}}`, "a:utf8", `{"a":"1"}|{"a":"x"}|{"a":"{\"b\": [1]}"}`},
		{`{"a":1}|{"a":[1]}`, "a:utf8", `{"a":"1"}|{"a":"[1]"}`},
		{`{"a":-9223372036854775808}`, "a:int64", `{"a":-9223372036854775808}`},
		{`{"a":-9223372036854775809}`, "a:utf8", `{"a":"-9223372036854775809"}`},
		{`{"a":true}|{"a":1}`, "a:utf8", `{"a":"true"}|{"a":"1"}`},
		{`{"a":[1]}|{"a":[true]}`, "a:list<utf8, nullable>", `{"a":["1"]}|{"a":["true"]}`},
		{`{"a":1}|{"a":"NaN"}`, "a:float64", `{"a":1.0}|{"a":"NaN"}`},
		{`{"a":"NaN"}|{"a":1}`, "a:float64", `{"a":"NaN"}|{"a":1.0}`},
		{`{"a":9007199254740993}|{"a":"NaN"}`, "a:utf8", `{"a":"9007199254740993"}|{"a":"NaN"}`},
		{`{"a":1}|{"a":9007199254740993}|{"a":2}`, "a:int64", `{"a":1}|{"a":9007199254740993}|{"a":2}`},
		{`{"a":null}|{"a":[null]}|{"a":[[1]]}`, "a:list<list<int64, nullable>, nullable>", `{"a":null}|{"a":[null]}|{"a":[[1]]}`},
		{`{"a":"NaN"}`, "a:utf8", `{"a":"NaN"}`},
		{`{"a":"NaN"}|{"a":"x"}`, "a:utf8", `{"a":"NaN"}|{"a":"x"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			filestest.WantRows(t, files.JSON, filestest.JSONFile(t, strings.Split(c.name, "|")...), files.ReadOptions{}, c.schema, strings.Split(c.want, "|")...)
		})
	}
}

// If the schema is inferred, a key that no sampled row has is an error. A key
// that was not selected is not. Each of several files gives a share of the
// sample.
func TestJSONBeyondTheSample(t *testing.T) {
	const first = `{"a":1,"b":2}`
	path := filestest.JSONFile(t, strings.Repeat(first+"\n", rowformat.SampleRows)+`{"a":1,"none":null}`+"\n"+`{"a":1,"late":3}`)
	filestest.WantError(t, files.JSON, path, files.ReadOptions{Columns: []string{"a"}}, int64(rowformat.SampleRows*(len(first)+1)+20), `key "late" is in no sampled row: declare`)
	if _, rows, err := filestest.OpenRows(t, files.JSON, path, files.ReadOptions{Schema: filestest.SchemaOf(filestest.Nullable("a", arrow.PrimitiveTypes.Int64))}); err != nil || len(rows) != rowformat.SampleRows+2 {
		t.Errorf("declared: %d rows, %v", len(rows), err)
	}
	dir := t.TempDir()
	for name, line := range map[string]string{"a": first, "b": `{"late":3}`} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(strings.Repeat(line+"\n", rowformat.SampleRows)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, rows, err := filestest.OpenRows(t, files.JSON, dir, files.ReadOptions{}); err != nil || len(rows) != 2*rowformat.SampleRows {
		t.Errorf("two files: %d rows, %v", len(rows), err)
	}
}

// NaN and infinity are read in quotes, as Spark writes them, and bare, as
// Python writes them.
func TestJSONNotFinite(t *testing.T) {
	path := filestest.JSONFile(t, `{"a":1.5,"b":["NaN",1]}`, `{"a":"-Infinity","b":[NaN]}`, `{"a":NaN,"b":[Infinity,-Infinity]}`)
	filestest.WantRows(t, files.JSON, path, files.ReadOptions{}, "a:float64 b:list<float64, nullable>",
		`{"a":1.5,"b":["NaN",1.0]}`, `{"a":"-Infinity","b":["NaN"]}`, `{"a":"NaN","b":["Infinity","-Infinity"]}`)
	schema := filestest.SchemaOf(filestest.Nullable("a", arrow.PrimitiveTypes.Float64))
	out := filestest.MustWrite(t, files.JSON, schema, files.WriteOptions{}, `[{"a":1}]`)
	if string(out) != "{\"a\":1.0}\n" {
		t.Errorf("wrote %q", out)
	}
}

func TestJSONDeclared(t *testing.T) {
	path := filestest.JSONFile(t, `{"i":1,"u":18446744073709551615,"f":0.1,"b":"AP9h","l":[1,2],"s":12,"x":{"deep":[1,"]"]}}`, `{"i":2.0,"l":null}`)
	o := files.ReadOptions{Schema: filestest.SchemaOf(
		filestest.Nullable("i", arrow.PrimitiveTypes.Int8), filestest.Nullable("u", arrow.PrimitiveTypes.Uint64), filestest.Nullable("f", arrow.PrimitiveTypes.Float32),
		filestest.Nullable("b", arrow.BinaryTypes.Binary), filestest.Nullable("l", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int16)),
		filestest.Nullable("s", arrow.BinaryTypes.LargeString), filestest.Nullable("none", arrow.PrimitiveTypes.Date32))}
	o.Columns = []string{"b", "i", "u", "f", "l", "s"}
	filestest.WantRows(t, files.JSON, path, o, "b:binary i:int8 u:uint64 f:float32 l:fixed_size_list<int16, nullable>[2] s:large_utf8",
		`{"b":"AP9h","i":1,"u":18446744073709551615,"f":0.1,"l":[1,2],"s":"12"}`,
		`{"b":null,"i":2,"u":null,"f":null,"l":null,"s":null}`)
}

func TestJSONRefusals(t *testing.T) {
	declare := func(t arrow.DataType) *arrow.Schema { return filestest.SchemaOf(filestest.Nullable("a", t)) }
	good := `{"a":null}`
	for _, c := range []struct {
		line   string
		schema *arrow.Schema
		says   string
	}{
		{`{"a":128}`, declare(arrow.PrimitiveTypes.Int8), `"128" is not a tinyint`},
		{`{"a":-1}`, declare(arrow.PrimitiveTypes.Uint8), `is not a uint8`},
		{`{"a":1.5}`, declare(arrow.PrimitiveTypes.Int64), `is not a bigint`},
		{`{"a":9007199254740994.0}`, declare(arrow.PrimitiveTypes.Int64), `is not a bigint`},
		{`{"a":1e99}`, declare(arrow.PrimitiveTypes.Float32), `is not a float`},
		{`{"a":9007199254740993}`, declare(arrow.PrimitiveTypes.Float64), `would be rounded`},
		{`{"a":70000}`, declare(arrow.FixedWidthTypes.Float16), `is not a float16`},
		{`{"a":"1"}`, declare(arrow.PrimitiveTypes.Int64), `where a number should be`},
		{`{"a":"x"}`, declare(arrow.PrimitiveTypes.Float64), `where a number should be`},
		{`{"a":1}`, declare(arrow.FixedWidthTypes.Boolean), `where false should be`},
		{`{"a":"a*"}`, declare(arrow.BinaryTypes.Binary), `not base64`},
		{`{"a":[1]}`, declare(arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int64)), `a list of 1 values where 2`},
		{`{"a":[1,"x"]}`, declare(arrow.ListOf(arrow.PrimitiveTypes.Int64)), `element 1`},
		{`{"a":[null]}`, declare(arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int64)), `null`},
		{`{"a":1,"a":2}`, declare(arrow.PrimitiveTypes.Int64), `occurs twice`},
		{`{"a":1}{`, declare(arrow.PrimitiveTypes.Int64), `the row's end`},
		{`{"a":01}`, declare(arrow.PrimitiveTypes.Int64), `, or }`},
		{`{"a":"` + "\xff" + `"}`, declare(arrow.BinaryTypes.String), `not UTF-8`},
		{`[1]`, declare(arrow.PrimitiveTypes.Int64), `an object`},
		{`{"a":`, declare(arrow.PrimitiveTypes.Int64), `ends too early`},
	} {
		t.Run(c.line, func(t *testing.T) {
			// The row lies behind the sample, so the reader finds it and not
			// the inference.
			path := filestest.JSONFile(t, strings.Repeat(good+"\n", rowformat.SampleRows)+c.line)
			filestest.WantError(t, files.JSON, path, files.ReadOptions{Schema: c.schema}, int64(rowformat.SampleRows*(len(good)+1)), c.says, fmt.Sprintf("row %d", rowformat.SampleRows))
		})
	}
	filestest.WantError(t, files.JSON, filestest.JSONFile(t, `{"a":`+strings.Repeat("[", 2*jsontext.MaxDepth)), files.ReadOptions{}, 0, "nested deeper")
	path := filestest.JSONFile(t, `{"b":1}`)
	required := filestest.SchemaOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64})
	filestest.WantError(t, files.JSON, path, files.ReadOptions{Schema: required}, 0, `column "a": null`)
	if _, _, err := filestest.OpenRows(t, files.JSON, path, files.ReadOptions{Schema: declare(arrow.FixedWidthTypes.Date32)}); !errors.Is(err, files.ErrType) {
		t.Errorf("a date: %v, want ErrType", err)
	}
	if _, _, err := filestest.OpenRows(t, files.JSON, path, files.ReadOptions{Options: map[string]string{"nope": "1"}}); err == nil {
		t.Error("an unknown option is no error")
	}
}

func TestJSONFiles(t *testing.T) {
	lines := "\xef\xbb\xbf" + `{"a":1}` + "\r\n\n  \n" + `{"a":2}`
	filestest.WantRows(t, files.JSON, filestest.File(t, "bom.json", []byte(lines)), files.ReadOptions{}, "a:int64", `{"a":1}`, `{"a":2}`)
	zipped := filestest.File(t, "a.json.gz", filestest.GzipBytes([]byte(lines)))
	filestest.WantRows(t, files.JSON, zipped, files.ReadOptions{}, "a:int64", `{"a":1}`, `{"a":2}`)
	filestest.CutsAgree(t, files.JSON, zipped, files.ReadOptions{}, 1)
	filestest.WantRows(t, files.JSON, filestest.File(t, "empty.json", nil), files.ReadOptions{}, "")
	broken := filestest.GzipBytes([]byte(strings.Repeat(`{"a":1}`+"\n", 1000)))
	filestest.WantError(t, files.JSON, filestest.File(t, "cut.json.gz", broken[:len(broken)-9]), files.ReadOptions{}, 8000, "decompressed", "unexpected EOF")
}

func TestJSONWriteAndRead(t *testing.T) {
	schema := filestest.SchemaOf(filestest.Nullable("s", arrow.BinaryTypes.String), filestest.Nullable("f", arrow.PrimitiveTypes.Float32), filestest.Nullable("h", arrow.FixedWidthTypes.Float16),
		filestest.Nullable("u", arrow.PrimitiveTypes.Uint64), filestest.Nullable("b", arrow.BinaryTypes.Binary), filestest.Nullable("t", arrow.FixedWidthTypes.Boolean),
		filestest.Nullable("l", arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int8))))
	rows := []string{
		`{"s":"q\" b\\ n\n t\t \u0001 é ☃ 😀","f":1.0,"h":0.5,"u":18446744073709551615,"b":"AP8=","t":true,"l":[[1,null],[],null]}`,
		`{"s":null,"f":null,"h":null,"u":null,"b":null,"t":null,"l":null}`,
		`{"s":"","f":-3.4028235e+38,"h":65504.0,"u":0,"b":"","t":false,"l":[]}`,
	}
	for _, compression := range []string{"", "none", "gzip"} {
		out := filestest.MustWrite(t, files.JSON, schema, files.WriteOptions{Compression: compression}, "["+strings.Join(rows, ",")+"]")
		path := filestest.File(t, "a.json", out)
		filestest.WantRows(t, files.JSON, path, files.ReadOptions{Schema: schema}, "", rows...)
		if compression != "gzip" {
			for line := range strings.Lines(string(out)) {
				if !json.Valid([]byte(line)) {
					t.Errorf("encoding/json refuses %s", line)
				}
			}
			filestest.CutsAgree(t, files.JSON, path, files.ReadOptions{Schema: schema}, 7)
		}
	}
	if _, err := filestest.Written(files.JSON, schema, files.WriteOptions{Compression: "zlib"}, "[]"); err == nil {
		t.Error("zlib is written")
	}
	if _, err := filestest.Written(files.JSON, filestest.SchemaOf(filestest.Nullable("d", arrow.FixedWidthTypes.Date32)), files.WriteOptions{}, "[]"); !errors.Is(err, files.ErrType) {
		t.Errorf("a date is written: %v", err)
	}
}

// Any cut of a file into ranges gives every row exactly once.
func FuzzJSONSplits(f *testing.F) {
	f.Add("a\nb", uint8(3), uint64(1))
	f.Add("", uint8(1), uint64(2))
	f.Add("\r\n\\\"", uint8(9), uint64(3))
	f.Fuzz(func(t *testing.T, s string, n uint8, seed uint64) {
		var b strings.Builder
		for i := range int(n%40) + 1 {
			text, err := jsontext.Quote(nil, strings.ToValidUTF8(s[:i%(len(s)+1)], "?"))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "{\"i\":%d,\"s\":%s}%s", i, text, []string{"\n", "\r\n", "\n\n"}[i%3])
		}
		filestest.CutsAgree(t, files.JSON, filestest.File(t, "a.json", []byte(b.String())), files.ReadOptions{}, seed)
	})
}

func jsonBenchLines() string {
	var line strings.Builder
	line.WriteString(`{"x":[`)
	for i := range 784 {
		if i > 0 {
			line.WriteByte(',')
		}
		fmt.Fprintf(&line, "0.%07d", i*12345)
	}
	line.WriteString(`],"label":7}` + "\n")
	return strings.Repeat(line.String(), 500)
}

func BenchmarkJSONRead(b *testing.B) {
	filestest.ReadRepeatedly(b, files.JSON, filestest.File(b, "a.json", []byte(jsonBenchLines())), 500)
}

// BenchmarkJSONReadArrow reads the same rows with arrow/go's UnmarshalJSON, for
// comparison with jsontext.Text.
func BenchmarkJSONReadArrow(b *testing.B) {
	lines := jsonBenchLines()
	schema := filestest.SchemaOf(filestest.Nullable("x", arrow.ListOf(arrow.PrimitiveTypes.Float64)), filestest.Nullable("label", arrow.PrimitiveTypes.Int64))
	b.ReportAllocs()
	for b.Loop() {
		record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(lines), array.WithMultipleDocs())
		if err != nil || record.NumRows() != 500 {
			b.Fatal(record, err)
		}
		record.Release()
	}
	b.ReportMetric(float64(b.N*500)/b.Elapsed().Seconds(), "rows/s")
}
