package tfrecord_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	examplepb "github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
	"tfos/internal/files/rowformat"
	"tfos/internal/recordio"
)

func float32FromBits(v uint32) float32 { return math.Float32frombits(v) }

func int8s(name string) arrow.Field { return filestest.Nullable(name, arrow.PrimitiveTypes.Int8) }

// examplesOf returns the records of a plain TFRecord file. It checks CRCs
// without the reader's code.
func examplesOf(t testing.TB, file []byte) (records [][]byte) {
	t.Helper()
	for len(file) > 0 {
		n := binary.LittleEndian.Uint64(file)
		data := file[12 : 12+n]
		if binary.LittleEndian.Uint32(file[8:]) != recordio.MaskedCRC(file[:8]) || binary.LittleEndian.Uint32(file[12+n:]) != recordio.MaskedCRC(data) {
			t.Fatal("a CRC does not match")
		}
		records = append(records, data)
		file = file[12+n+4:]
	}
	return records
}

func tfrecordFile(t testing.TB, rows ...filestest.Features) string {
	t.Helper()
	var records [][]byte
	for _, f := range rows {
		records = append(records, filestest.Encoded(t, f))
	}
	return filestest.File(t, "a.tfrecord", filestest.Framed(t, records...))
}

// TensorFlow 2.19 wrote these bytes for the record "tfos".
func TestFrameOfTensorFlow(t *testing.T) {
	want := "\x04\x00\x00\x00\x00\x00\x00\x00\x42\x45\x52\x04\x74\x66\x6f\x73\x17\x93\xfd\xad"
	if got := filestest.Framed(t, []byte("tfos")); string(got) != want {
		t.Errorf("framed %q, TensorFlow's is %q", got, want)
	}
}

func TestTFRecordInference(t *testing.T) {
	path := tfrecordFile(t,
		filestest.Features{"x": filestest.FloatFeature(1, 2), "label": filestest.IntFeature(7), "s": filestest.BytesFeature("é"), "raw": filestest.BytesFeature("\xff"), "z": filestest.FloatFeature(), "none": {}},
		filestest.Features{"x": filestest.FloatFeature(3), "label": filestest.IntFeature(-1), "raw": filestest.BytesFeature("a"), "late": filestest.BytesFeature("a", "b")})
	filestest.WantRows(t, files.TFRecord, path, files.ReadOptions{}, "label:int64 late:list<utf8, nullable> raw:binary s:utf8 x:list<float32, nullable> z:list<float32, nullable>",
		`{"label":7,"late":null,"raw":"/w==","s":"é","x":[1.0,2.0],"z":[]}`,
		`{"label":-1,"late":["a","b"],"raw":"YQ==","s":null,"x":[3.0],"z":null}`)
	filestest.WantError(t, files.TFRecord, tfrecordFile(t, filestest.Features{"x": filestest.FloatFeature(1)}, filestest.Features{"x": filestest.IntFeature(1)}), files.ReadOptions{}, 33, `feature "x"`, "int64_list", "declare", "row 1")
	filestest.WantRows(t, files.TFRecord, filestest.File(t, "empty", nil), files.ReadOptions{}, "")
}

// A record after the sample that does not fit is an error with the remedy.
func TestTFRecordBeyondTheSample(t *testing.T) {
	first := filestest.Framed(t, filestest.Encoded(t, filestest.Features{"i": filestest.IntFeature(1), "s": filestest.BytesFeature("a")}))
	for _, c := range []struct {
		late filestest.Features
		says string
	}{
		{filestest.Features{"i": filestest.IntFeature(1, 2), "s": filestest.BytesFeature("a")}, `feature "i" has 2 values`},
		{filestest.Features{"i": filestest.IntFeature(), "s": filestest.BytesFeature("a")}, `feature "i" has 0 values`},
		{filestest.Features{"i": filestest.FloatFeature(1), "s": filestest.BytesFeature("a")}, `feature "i" is a float_list`},
		{filestest.Features{"i": filestest.IntFeature(1), "s": filestest.BytesFeature("\xff")}, `feature "s": a value is not UTF-8`},
		{filestest.Features{"i": filestest.IntFeature(1), "late": filestest.IntFeature(1)}, `feature "late" is in no sampled row`},
	} {
		file := bytes.Repeat(first, rowformat.SampleRows)
		path := filestest.File(t, "a.tfrecord", append(file, filestest.Framed(t, filestest.Encoded(t, c.late))...))
		filestest.WantError(t, files.TFRecord, path, files.ReadOptions{}, int64(rowformat.SampleRows*len(first)), c.says, "declare", fmt.Sprintf("row %d", rowformat.SampleRows))
	}
}

func TestTFRecordDeclared(t *testing.T) {
	path := tfrecordFile(t, filestest.Features{"i": filestest.IntFeature(255), "b": filestest.IntFeature(1), "f": filestest.FloatFeature(0.5), "l": filestest.IntFeature(1, 2), "s": filestest.BytesFeature("x"), "k": filestest.BytesFeature("y")},
		filestest.Features{"l": filestest.IntFeature(3, 4)})
	o := files.ReadOptions{Columns: []string{"s", "i", "b", "f", "l", "k", "absent"}, Schema: filestest.SchemaOf(
		filestest.Nullable("i", arrow.PrimitiveTypes.Uint8), filestest.Nullable("b", arrow.FixedWidthTypes.Boolean), filestest.Nullable("f", arrow.PrimitiveTypes.Float64),
		filestest.Nullable("l", arrow.FixedSizeListOfNonNullable(2, arrow.PrimitiveTypes.Int16)), filestest.Nullable("s", arrow.BinaryTypes.LargeString),
		filestest.Nullable("k", arrow.BinaryTypes.LargeBinary), filestest.Nullable("absent", arrow.ListOf(arrow.PrimitiveTypes.Float32)))}
	filestest.WantRows(t, files.TFRecord, path, o, "",
		`{"s":"x","i":255,"b":true,"f":0.5,"l":[1,2],"k":"eQ==","absent":null}`,
		`{"s":null,"i":null,"b":null,"f":null,"l":[3,4],"k":null,"absent":null}`)
	for _, c := range []struct {
		t    arrow.DataType
		says string
	}{
		{arrow.PrimitiveTypes.Int8, "255 is not a int8"},
		{arrow.FixedWidthTypes.Boolean, "255 is not a bool"},
		{arrow.PrimitiveTypes.Float32, "is a int64_list"},
		{arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int64), "1 values and its column 2"},
	} {
		filestest.WantError(t, files.TFRecord, path, files.ReadOptions{Schema: filestest.SchemaOf(filestest.Nullable("i", c.t))}, 0, `feature "i"`, c.says, "row 0")
	}
	required := filestest.SchemaOf(arrow.Field{Name: "i", Type: arrow.PrimitiveTypes.Int64})
	filestest.WantError(t, files.TFRecord, path, files.ReadOptions{Schema: required}, 95, `column "i": null`)
	if _, _, err := filestest.OpenRows(t, files.TFRecord, path, files.ReadOptions{Schema: filestest.SchemaOf(filestest.Nullable("i", arrow.FixedWidthTypes.Date32))}); !errors.Is(err, files.ErrType) {
		t.Errorf("a date: %v, want ErrType", err)
	}
}

// TestTFRecordRanges: the least and the highest number of each type are read, and
// those beyond are refused.
func TestTFRecordRanges(t *testing.T) {
	for _, c := range []struct {
		t           arrow.DataType
		least, most int64
	}{
		{arrow.PrimitiveTypes.Int8, math.MinInt8, math.MaxInt8}, {arrow.PrimitiveTypes.Int16, math.MinInt16, math.MaxInt16}, {arrow.PrimitiveTypes.Int32, math.MinInt32, math.MaxInt32},
		{arrow.PrimitiveTypes.Uint8, 0, math.MaxUint8}, {arrow.PrimitiveTypes.Uint16, 0, math.MaxUint16}, {arrow.PrimitiveTypes.Uint32, 0, math.MaxUint32},
		{arrow.PrimitiveTypes.Uint64, 0, math.MaxInt64}, {arrow.FixedWidthTypes.Boolean, 0, 1},
	} {
		o := files.ReadOptions{Schema: filestest.SchemaOf(filestest.Nullable("i", c.t))}
		fits := tfrecordFile(t, filestest.Features{"i": filestest.IntFeature(c.least)}, filestest.Features{"i": filestest.IntFeature(c.most)})
		want := []string{fmt.Sprintf(`{"i":%d}`, c.least), fmt.Sprintf(`{"i":%d}`, c.most)}
		if c.t.ID() == arrow.BOOL {
			want = []string{`{"i":false}`, `{"i":true}`}
		}
		filestest.WantRows(t, files.TFRecord, fits, o, "", want...)
		for _, v := range []int64{c.least - 1, c.most + 1} { // of int64 these are its other end
			filestest.WantError(t, files.TFRecord, tfrecordFile(t, filestest.Features{"i": filestest.IntFeature(v)}), o, 0, fmt.Sprintf("%d is not a %s", v, c.t))
		}
	}
}

func TestTFRecordCompressions(t *testing.T) {
	var records [][]byte
	for i := range 300 {
		records = append(records, filestest.Encoded(t, filestest.Features{"i": filestest.IntFeature(int64(i))}))
	}
	file := filestest.Framed(t, records...)
	at := int64(len(filestest.Framed(t, records[:299]...)))
	for name, pack := range map[string]func([]byte) []byte{"none": func(b []byte) []byte { return b }, "gzip": filestest.GzipBytes, "zlib": filestest.ZlibBytes} {
		t.Run(name, func(t *testing.T) {
			path := filestest.File(t, "a", pack(file))
			_, rows, err := filestest.OpenRows(t, files.TFRecord, path, files.ReadOptions{})
			if err != nil || len(rows) != 300 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			filestest.CutsAgree(t, files.TFRecord, path, files.ReadOptions{}, 4)
			schema := files.ReadOptions{Schema: filestest.SchemaOf(filestest.Nullable("i", arrow.PrimitiveTypes.Int64))}
			bad := bytes.Clone(file)
			bad[len(bad)-5]++
			filestest.WantError(t, files.TFRecord, filestest.File(t, "bad", pack(bad)), schema, at, "data does not match its CRC", map[bool]string{true: "decompressed"}[name != "none"])
			filestest.WantError(t, files.TFRecord, filestest.File(t, "short", pack(file[:len(file)-1])), schema, at, "truncated")
			filestest.WantError(t, files.TFRecord, filestest.File(t, "header", pack(file[:at+11])), schema, at, "truncated", "11 bytes")
			if name != "none" {
				cut := pack(file)
				_, _, err := filestest.OpenRows(t, files.TFRecord, filestest.File(t, "cut", cut[:len(cut)-20]), schema)
				var damage *files.Error
				if !errors.As(err, &damage) || damage.Offset < 0 {
					t.Errorf("a cut %s stream: %v", name, err)
				}
			}
			out := filestest.MustWrite(t, files.TFRecord, schema.Schema, files.WriteOptions{Compression: name}, `[{"i":5}]`)
			if want := pack(filestest.Framed(t, filestest.Encoded(t, filestest.Features{"i": filestest.IntFeature(5)}))); rowformat.SniffPacked(out) != name || name == "none" && !bytes.Equal(out, want) {
				t.Errorf("wrote %x as %s", out, name)
			}
			filestest.WantRows(t, files.TFRecord, filestest.File(t, "written", out), schema, "", `{"i":5}`)
		})
	}
}

// Some split reports the damage, wherever the file is cut.
func TestTFRecordDamageInSplits(t *testing.T) {
	var records [][]byte
	for i := range 20 {
		records = append(records, filestest.Encoded(t, filestest.Features{"i": filestest.IntFeature(int64(i)), "s": filestest.BytesFeature(strings.Repeat("x", i*7))}))
	}
	file := filestest.Framed(t, records...)
	good := filestest.File(t, "good", file)
	d, _, err := filestest.OpenRows(t, files.TFRecord, good, files.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for damaged := 0; damaged < len(file); damaged += 29 {
		bad := bytes.Clone(file)
		bad[damaged] ^= 0x10
		if err := os.WriteFile(good, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, size := range []int64{31, 1000} {
			if !anySplitFails(d, good, int64(len(bad)), size) {
				t.Fatalf("byte %d is damaged, and splits of %d bytes read the file without an error", damaged, size)
			}
		}
	}
	for length := len(file) - 1; length > 0; length -= 13 {
		if err := os.WriteFile(good, file[:length], 0o644); err != nil {
			t.Fatal(err)
		}
		if boundary(t, file, length) {
			continue
		}
		if !anySplitFails(d, good, int64(length), 100) {
			t.Fatalf("cut after %d bytes, the file is read without an error", length)
		}
	}
}

func anySplitFails(d *files.Dataset, path string, size, split int64) bool {
	for at := int64(0); at < size; at += split {
		_, err := filestest.SplitRows(d, files.Split{Path: path, Offset: at, Length: min(split, size-at)})
		var damage *files.Error
		if errors.As(err, &damage) {
			return true
		}
	}
	return false
}

// boundary reports whether a record begins at an offset.
func boundary(t *testing.T, file []byte, offset int) bool {
	at := 0
	for at < offset {
		at += 16 + int(binary.LittleEndian.Uint64(file[at:]))
	}
	return at == offset
}

func TestTFRecordWrites(t *testing.T) {
	schema := filestest.SchemaOf(filestest.Nullable("a", arrow.ListOf(arrow.PrimitiveTypes.Float32)), filestest.Nullable("b", arrow.BinaryTypes.Binary), filestest.Nullable("c", arrow.BinaryTypes.String),
		filestest.Nullable("d", arrow.PrimitiveTypes.Float64), filestest.Nullable("e", arrow.FixedWidthTypes.Boolean), filestest.Nullable("f", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Uint16)),
		filestest.Nullable("g", arrow.PrimitiveTypes.Uint64), filestest.Nullable("h", arrow.FixedWidthTypes.Float16), filestest.Nullable("i", arrow.LargeListOf(arrow.BinaryTypes.String)))
	out := filestest.MustWrite(t, files.TFRecord, schema, files.WriteOptions{}, `[
		{"a":[1.5,-2],"b":"AP8=","c":"é","d":0.1,"e":true,"f":[1,65535],"g":9223372036854775807,"h":0.5,"i":["x",""]},
		{"a":[],"c":"","d":-1e-320,"i":[]}]`)
	want := []filestest.Features{
		{"a": filestest.FloatFeature(1.5, -2), "b": filestest.BytesFeature("\x00\xff"), "c": filestest.BytesFeature("é"), "d": filestest.FloatFeature(0.1), "e": filestest.IntFeature(1), "f": filestest.IntFeature(1, 65535),
			"g": filestest.IntFeature(math.MaxInt64), "h": filestest.FloatFeature(0.5), "i": filestest.BytesFeature("x", "")},
		{"a": filestest.FloatFeature(), "c": filestest.BytesFeature(""), "d": filestest.FloatFeature(float32(math.Copysign(0, -1))), "i": filestest.BytesFeature()},
	}
	rows := examplesOf(t, out)
	for i, f := range want {
		var got examplepb.Example
		if err := proto.Unmarshal(rows[i], &got); err != nil || !proto.Equal(got.Features, &examplepb.Features{Feature: f}) {
			t.Errorf("row %d: %v (%v), want %v", i, got.Features, err, f)
		}
	}
	for _, c := range []struct {
		t         arrow.DataType
		row, says string
	}{
		{arrow.PrimitiveTypes.Uint64, `9223372036854775808`, "beyond int64"},
		{arrow.PrimitiveTypes.Float64, `1e39`, "beyond float32"},
		{arrow.ListOf(arrow.PrimitiveTypes.Int64), `[1,null]`, "a null in a list"},
	} {
		_, err := filestest.Written(files.TFRecord, filestest.SchemaOf(filestest.Nullable("col", c.t)), files.WriteOptions{}, `[{"col":null},{"col":`+c.row+`}]`)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), `row 1: column "col"`) {
			t.Errorf("%s as %s: %v", c.row, c.t, err)
		}
	}
	for _, refused := range []arrow.DataType{arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int8)), arrow.StructOf(int8s("a")), arrow.FixedWidthTypes.Date32, arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int8)} {
		if _, err := files.NewWriter(files.TFRecord, io.Discard, filestest.SchemaOf(filestest.Nullable("col", refused)), files.WriteOptions{}); !errors.Is(err, files.ErrType) || !strings.Contains(err.Error(), `"col"`) {
			t.Errorf("%s: %v, want ErrType of col", refused, err)
		}
	}
	if _, err := files.NewWriter(files.TFRecord, io.Discard, schema, files.WriteOptions{Compression: "zstd"}); err == nil {
		t.Error("zstd is written")
	}
}

// A list of a sliced array begins in the middle of its values.
func TestTFRecordWritesSlices(t *testing.T) {
	schema := filestest.SchemaOf(filestest.Nullable("f", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int8)), filestest.Nullable("l", arrow.ListOf(arrow.PrimitiveTypes.Float32)), filestest.Nullable("s", arrow.BinaryTypes.String))
	rows := []string{`{"f":[1,2],"l":[1.0],"s":"a"}`, `{"f":[3,4],"l":[2.0,3.0],"s":"bc"}`, `{"f":null,"l":[],"s":null}`}
	for _, format := range []files.Format{files.TFRecord, files.CSV, files.JSON} {
		out := filestest.MustWriteSliced(t, format, schema, "["+strings.Join(rows, ",")+"]")
		filestest.WantRows(t, format, filestest.File(t, "a", out), files.ReadOptions{Schema: schema}, "", rows[1:]...)
	}
}

// Any cut of a file into ranges gives every row exactly once.
func FuzzTFRecordSplits(f *testing.F) {
	f.Add([]byte("abc"), uint8(5), uint64(1))
	f.Add([]byte{}, uint8(30), uint64(2))
	f.Add(bytes.Repeat([]byte{0}, 40), uint8(3), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, n uint8, seed uint64) {
		var records [][]byte
		for i := range int(n%40) + 1 {
			records = append(records, filestest.Encoded(t, filestest.Features{"i": filestest.IntFeature(int64(i)), "b": filestest.BytesFeature(string(data[:i%(len(data)+1)]))}))
		}
		o := files.ReadOptions{Schema: filestest.SchemaOf(filestest.Nullable("b", arrow.BinaryTypes.Binary))}
		filestest.CutsAgree(t, files.TFRecord, filestest.File(t, "a.tfrecord", filestest.Framed(t, records...)), o, seed)
	})
}
