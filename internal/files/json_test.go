package files

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
)

func jsonFile(t testing.TB, lines ...string) string {
	t.Helper()
	return fileOf(t, "a.json", []byte(strings.Join(lines, "\n")+"\n"))
}

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
		{`{"a":"NaN"}`, "a:utf8", `{"a":"NaN"}`},
		{`{"a":"NaN"}|{"a":"x"}`, "a:utf8", `{"a":"NaN"}|{"a":"x"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRows(t, JSON, jsonFile(t, strings.Split(c.name, "|")...), ReadOptions{}, c.schema, strings.Split(c.want, "|")...)
		})
	}
}

// A key that no sampled row has is an error where the schema is inferred, and a
// key that was not chosen is none. Of several files each gives a share.
func TestJSONBeyondTheSample(t *testing.T) {
	const first = `{"a":1,"b":2}`
	path := jsonFile(t, strings.Repeat(first+"\n", sampleRows)+`{"a":1,"none":null}`+"\n"+`{"a":1,"late":3}`)
	wantError(t, JSON, path, ReadOptions{Columns: []string{"a"}}, int64(sampleRows*(len(first)+1)+20), `key "late" is in no sampled row: declare`)
	if _, rows, err := openRows(t, JSON, path, ReadOptions{Schema: schemaOf(nullable("a", arrow.PrimitiveTypes.Int64))}); err != nil || len(rows) != sampleRows+2 {
		t.Errorf("declared: %d rows, %v", len(rows), err)
	}
	dir := t.TempDir()
	for name, line := range map[string]string{"a": first, "b": `{"late":3}`} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(strings.Repeat(line+"\n", sampleRows)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, rows, err := openRows(t, JSON, dir, ReadOptions{}); err != nil || len(rows) != 2*sampleRows {
		t.Errorf("two files: %d rows, %v", len(rows), err)
	}
}

// What is not finite: in quotes as Spark writes it, bare as Python does.
func TestJSONNotFinite(t *testing.T) {
	path := jsonFile(t, `{"a":1.5,"b":["NaN",1]}`, `{"a":"-Infinity","b":[NaN]}`, `{"a":NaN,"b":[Infinity,-Infinity]}`)
	wantRows(t, JSON, path, ReadOptions{}, "a:float64 b:list<float64, nullable>",
		`{"a":1.5,"b":["NaN",1.0]}`, `{"a":"-Infinity","b":["NaN"]}`, `{"a":"NaN","b":["Infinity","-Infinity"]}`)
	schema := schemaOf(nullable("a", arrow.PrimitiveTypes.Float64))
	out := mustWrite(t, JSON, schema, WriteOptions{}, `[{"a":1}]`)
	if string(out) != "{\"a\":1.0}\n" {
		t.Errorf("wrote %q", out)
	}
}

func TestJSONDeclared(t *testing.T) {
	path := jsonFile(t, `{"i":1,"u":18446744073709551615,"f":0.1,"b":"AP9h","l":[1,2],"s":12,"x":{"deep":[1,"]"]}}`, `{"i":2.0,"l":null}`)
	o := ReadOptions{Schema: schemaOf(
		nullable("i", arrow.PrimitiveTypes.Int8), nullable("u", arrow.PrimitiveTypes.Uint64), nullable("f", arrow.PrimitiveTypes.Float32),
		nullable("b", arrow.BinaryTypes.Binary), nullable("l", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int16)),
		nullable("s", arrow.BinaryTypes.LargeString), nullable("none", arrow.PrimitiveTypes.Date32))}
	o.Columns = []string{"b", "i", "u", "f", "l", "s"}
	wantRows(t, JSON, path, o, "b:binary i:int8 u:uint64 f:float32 l:fixed_size_list<int16, nullable>[2] s:large_utf8",
		`{"b":"AP9h","i":1,"u":18446744073709551615,"f":0.1,"l":[1,2],"s":"12"}`,
		`{"b":null,"i":2,"u":null,"f":null,"l":null,"s":null}`)
}

func TestJSONRefusals(t *testing.T) {
	declare := func(t arrow.DataType) *arrow.Schema { return schemaOf(nullable("a", t)) }
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
			// Behind the sample, so that the reader meets it and not the inference.
			path := jsonFile(t, strings.Repeat(good+"\n", sampleRows)+c.line)
			wantError(t, JSON, path, ReadOptions{Schema: c.schema}, int64(sampleRows*(len(good)+1)), c.says, fmt.Sprintf("row %d", sampleRows))
		})
	}
	wantError(t, JSON, jsonFile(t, `{"a":`+strings.Repeat("[", 2*jsonDepth)), ReadOptions{}, 0, "nested deeper")
	path := jsonFile(t, `{"b":1}`)
	required := schemaOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64})
	wantError(t, JSON, path, ReadOptions{Schema: required}, 0, `column "a": null`)
	if _, _, err := openRows(t, JSON, path, ReadOptions{Schema: declare(arrow.FixedWidthTypes.Date32)}); !errors.Is(err, ErrType) {
		t.Errorf("a date: %v, want ErrType", err)
	}
	if _, _, err := openRows(t, JSON, path, ReadOptions{Options: map[string]string{"nope": "1"}}); err == nil {
		t.Error("an unknown option is no error")
	}
}

func TestJSONFiles(t *testing.T) {
	lines := "\xef\xbb\xbf" + `{"a":1}` + "\r\n\n  \n" + `{"a":2}`
	wantRows(t, JSON, fileOf(t, "bom.json", []byte(lines)), ReadOptions{}, "a:int64", `{"a":1}`, `{"a":2}`)
	zipped := fileOf(t, "a.json.gz", gzipBytes([]byte(lines)))
	wantRows(t, JSON, zipped, ReadOptions{}, "a:int64", `{"a":1}`, `{"a":2}`)
	cutsAgree(t, JSON, zipped, ReadOptions{}, 1)
	wantRows(t, JSON, fileOf(t, "empty.json", nil), ReadOptions{}, "")
	broken := gzipBytes([]byte(strings.Repeat(`{"a":1}`+"\n", 1000)))
	wantError(t, JSON, fileOf(t, "cut.json.gz", broken[:len(broken)-9]), ReadOptions{}, 8000, "decompressed", "unexpected EOF")
}

func TestJSONWriteAndRead(t *testing.T) {
	schema := schemaOf(nullable("s", arrow.BinaryTypes.String), nullable("f", arrow.PrimitiveTypes.Float32), nullable("h", arrow.FixedWidthTypes.Float16),
		nullable("u", arrow.PrimitiveTypes.Uint64), nullable("b", arrow.BinaryTypes.Binary), nullable("t", arrow.FixedWidthTypes.Boolean),
		nullable("l", arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int8))))
	rows := []string{
		`{"s":"q\" b\\ n\n t\t \u0001 é ☃ 😀","f":1.0,"h":0.5,"u":18446744073709551615,"b":"AP8=","t":true,"l":[[1,null],[],null]}`,
		`{"s":null,"f":null,"h":null,"u":null,"b":null,"t":null,"l":null}`,
		`{"s":"","f":-3.4028235e+38,"h":65504.0,"u":0,"b":"","t":false,"l":[]}`,
	}
	for _, compression := range []string{"", "none", "gzip"} {
		out := mustWrite(t, JSON, schema, WriteOptions{Compression: compression}, "["+strings.Join(rows, ",")+"]")
		path := fileOf(t, "a.json", out)
		wantRows(t, JSON, path, ReadOptions{Schema: schema}, "", rows...)
		if compression != "gzip" {
			for line := range strings.Lines(string(out)) {
				if !json.Valid([]byte(line)) {
					t.Errorf("encoding/json refuses %s", line)
				}
			}
			cutsAgree(t, JSON, path, ReadOptions{Schema: schema}, 7)
		}
	}
	if _, err := written(JSON, schema, WriteOptions{Compression: "zlib"}, "[]"); err == nil {
		t.Error("zlib is written")
	}
	if _, err := written(JSON, schemaOf(nullable("d", arrow.FixedWidthTypes.Date32)), WriteOptions{}, "[]"); !errors.Is(err, ErrType) {
		t.Errorf("a date is written: %v", err)
	}
}

// The scanner takes what encoding/json takes, and the same strings.
func FuzzJSONText(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e+3,"x\u00e9\ud83d\ude00\n",true,null]}`, `"\ud800x"`, `[[[]]]`, `01`, `-`, `"a` + "\x01", ` {"a" : 1 , "b":{}} `, `1.`, `"\/\b\f"`, `tru`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if strings.Contains(string(b), "NaN") || strings.Contains(string(b), "Infinity") {
			return
		}
		text := &jsonText{b: b}
		err := text.skip(0)
		if err == nil {
			err = text.end()
		}
		utf8Only := err != nil && strings.Contains(err.Error(), "not UTF-8")
		if valid := json.Valid(b); valid != (err == nil) && !utf8Only {
			t.Fatalf("%q: encoding/json says %v, the scanner %v", b, valid, err)
		}
		var want string
		if err == nil && json.Unmarshal(b, &want) == nil && text.b[len(text.b)-1] == '"' {
			s := &jsonText{b: b}
			if got, err := s.str(); err != nil || string(got) != want {
				t.Fatalf("%q: string %q (%v), want %q", b, got, err, want)
			}
		}
	})
}

// Any cut of a file into ranges gives every row exactly once.
func FuzzJSONSplits(f *testing.F) {
	f.Add("a\nb", uint8(3), uint64(1))
	f.Add("", uint8(1), uint64(2))
	f.Add("\r\n\\\"", uint8(9), uint64(3))
	f.Fuzz(func(t *testing.T, s string, n uint8, seed uint64) {
		var b strings.Builder
		for i := range int(n%40) + 1 {
			text, err := quoteJSON(nil, strings.ToValidUTF8(s[:i%(len(s)+1)], "?"))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "{\"i\":%d,\"s\":%s}%s", i, text, []string{"\n", "\r\n", "\n\n"}[i%3])
		}
		cutsAgree(t, JSON, fileOf(t, "a.json", []byte(b.String())), ReadOptions{}, seed)
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
	benchmarkRead(b, JSON, fileOf(b, "a.json", []byte(jsonBenchLines())), 500)
}

// BenchmarkJSONReadArrow reads the same rows by arrow/go's UnmarshalJSON, which
// is what jsonText is measured against.
func BenchmarkJSONReadArrow(b *testing.B) {
	lines := jsonBenchLines()
	schema := schemaOf(nullable("x", arrow.ListOf(arrow.PrimitiveTypes.Float64)), nullable("label", arrow.PrimitiveTypes.Int64))
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
