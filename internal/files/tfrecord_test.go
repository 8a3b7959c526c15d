package files

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
	"google.golang.org/protobuf/proto"

	examplepb "github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
)

func float32FromBits(v uint32) float32 { return math.Float32frombits(v) }

func int8s(name string) arrow.Field { return nullable(name, arrow.PrimitiveTypes.Int8) }

// framed is a TFRecord file of records.
func framed(t testing.TB, records ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := frameWriter{w: &b}
	for _, r := range records {
		if err := w.write(r); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// examplesOf are the records of a plain TFRecord file, its CRCs checked with
// nothing of the reader.
func examplesOf(t testing.TB, file []byte) (records [][]byte) {
	t.Helper()
	for len(file) > 0 {
		n := binary.LittleEndian.Uint64(file)
		data := file[12 : 12+n]
		if binary.LittleEndian.Uint32(file[8:]) != maskedCRC(file[:8]) || binary.LittleEndian.Uint32(file[12+n:]) != maskedCRC(data) {
			t.Fatal("a CRC does not match")
		}
		records = append(records, data)
		file = file[12+n+4:]
	}
	return records
}

func tfrecordFile(t testing.TB, rows ...features) string {
	t.Helper()
	var records [][]byte
	for _, f := range rows {
		records = append(records, encoded(t, f))
	}
	return fileOf(t, "a.tfrecord", framed(t, records...))
}

// The bytes that TensorFlow 2.19 wrote for the record "tfos".
func TestFrameOfTensorFlow(t *testing.T) {
	want := "\x04\x00\x00\x00\x00\x00\x00\x00\x42\x45\x52\x04\x74\x66\x6f\x73\x17\x93\xfd\xad"
	if got := framed(t, []byte("tfos")); string(got) != want {
		t.Errorf("framed %q, TensorFlow's is %q", got, want)
	}
}

func TestTFRecordInference(t *testing.T) {
	path := tfrecordFile(t,
		features{"x": floatFeature(1, 2), "label": intFeature(7), "s": bytesFeature("é"), "raw": bytesFeature("\xff"), "z": floatFeature(), "none": {}},
		features{"x": floatFeature(3), "label": intFeature(-1), "raw": bytesFeature("a"), "late": bytesFeature("a", "b")})
	wantRows(t, TFRecord, path, ReadOptions{}, "label:int64 late:list<utf8, nullable> raw:binary s:utf8 x:list<float32, nullable> z:list<float32, nullable>",
		`{"label":7,"late":null,"raw":"/w==","s":"é","x":[1.0,2.0],"z":[]}`,
		`{"label":-1,"late":["a","b"],"raw":"YQ==","s":null,"x":[3.0],"z":null}`)
	wantError(t, TFRecord, tfrecordFile(t, features{"x": floatFeature(1)}, features{"x": intFeature(1)}), ReadOptions{}, 33, `feature "x"`, "int64_list", "declare", "row 1")
	wantRows(t, TFRecord, fileOf(t, "empty", nil), ReadOptions{}, "")
}

// What comes behind the sample and does not fit is an error with the remedy.
func TestTFRecordBeyondTheSample(t *testing.T) {
	first := framed(t, encoded(t, features{"i": intFeature(1), "s": bytesFeature("a")}))
	for _, c := range []struct {
		late features
		says string
	}{
		{features{"i": intFeature(1, 2), "s": bytesFeature("a")}, `feature "i" has 2 values`},
		{features{"i": intFeature(), "s": bytesFeature("a")}, `feature "i" has 0 values`},
		{features{"i": floatFeature(1), "s": bytesFeature("a")}, `feature "i" is a float_list`},
		{features{"i": intFeature(1), "s": bytesFeature("\xff")}, `feature "s": a value is not UTF-8`},
		{features{"i": intFeature(1), "late": intFeature(1)}, `feature "late" is in no sampled row`},
	} {
		file := bytes.Repeat(first, sampleRows)
		path := fileOf(t, "a.tfrecord", append(file, framed(t, encoded(t, c.late))...))
		wantError(t, TFRecord, path, ReadOptions{}, int64(sampleRows*len(first)), c.says, "declare", fmt.Sprintf("row %d", sampleRows))
	}
}

func TestTFRecordDeclared(t *testing.T) {
	path := tfrecordFile(t, features{"i": intFeature(255), "b": intFeature(1), "f": floatFeature(0.5), "l": intFeature(1, 2), "s": bytesFeature("x"), "k": bytesFeature("y")},
		features{"l": intFeature(3, 4)})
	o := ReadOptions{Columns: []string{"s", "i", "b", "f", "l", "k", "absent"}, Schema: schemaOf(
		nullable("i", arrow.PrimitiveTypes.Uint8), nullable("b", arrow.FixedWidthTypes.Boolean), nullable("f", arrow.PrimitiveTypes.Float64),
		nullable("l", arrow.FixedSizeListOfNonNullable(2, arrow.PrimitiveTypes.Int16)), nullable("s", arrow.BinaryTypes.LargeString),
		nullable("k", arrow.BinaryTypes.LargeBinary), nullable("absent", arrow.ListOf(arrow.PrimitiveTypes.Float32)))}
	wantRows(t, TFRecord, path, o, "",
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
		wantError(t, TFRecord, path, ReadOptions{Schema: schemaOf(nullable("i", c.t))}, 0, `feature "i"`, c.says, "row 0")
	}
	required := schemaOf(arrow.Field{Name: "i", Type: arrow.PrimitiveTypes.Int64})
	wantError(t, TFRecord, path, ReadOptions{Schema: required}, 95, `column "i": null`)
	if _, _, err := openRows(t, TFRecord, path, ReadOptions{Schema: schemaOf(nullable("i", arrow.FixedWidthTypes.Date32))}); !errors.Is(err, ErrType) {
		t.Errorf("a date: %v, want ErrType", err)
	}
}

func TestTFRecordCompressions(t *testing.T) {
	var records [][]byte
	for i := range 300 {
		records = append(records, encoded(t, features{"i": intFeature(int64(i))}))
	}
	file := framed(t, records...)
	at := int64(len(framed(t, records[:299]...)))
	for name, pack := range map[string]func([]byte) []byte{"none": func(b []byte) []byte { return b }, "gzip": gzipBytes, "zlib": zlibBytes} {
		t.Run(name, func(t *testing.T) {
			path := fileOf(t, "a", pack(file))
			_, rows, err := openRows(t, TFRecord, path, ReadOptions{})
			if err != nil || len(rows) != 300 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			cutsAgree(t, TFRecord, path, ReadOptions{}, 4)
			schema := ReadOptions{Schema: schemaOf(nullable("i", arrow.PrimitiveTypes.Int64))}
			bad := bytes.Clone(file)
			bad[len(bad)-5]++
			wantError(t, TFRecord, fileOf(t, "bad", pack(bad)), schema, at, "data does not match its CRC", map[bool]string{true: "decompressed"}[name != "none"])
			wantError(t, TFRecord, fileOf(t, "short", pack(file[:len(file)-1])), schema, at, "truncated")
			wantError(t, TFRecord, fileOf(t, "header", pack(file[:at+11])), schema, at, "truncated", "11 bytes")
			if name != "none" {
				cut := pack(file)
				_, _, err := openRows(t, TFRecord, fileOf(t, "cut", cut[:len(cut)-20]), schema)
				var damage *Error
				if !errors.As(err, &damage) || damage.Offset < 0 {
					t.Errorf("a cut %s stream: %v", name, err)
				}
			}
			out := mustWrite(t, TFRecord, schema.Schema, WriteOptions{Compression: name}, `[{"i":5}]`)
			if want := pack(framed(t, encoded(t, features{"i": intFeature(5)}))); sniffPacked(out) != name || name == "none" && !bytes.Equal(out, want) {
				t.Errorf("wrote %x as %s", out, name)
			}
			wantRows(t, TFRecord, fileOf(t, "written", out), schema, "", `{"i":5}`)
		})
	}
}

// Damage is met by one split or another, wherever the file is cut.
func TestTFRecordDamageInSplits(t *testing.T) {
	var records [][]byte
	for i := range 20 {
		records = append(records, encoded(t, features{"i": intFeature(int64(i)), "s": bytesFeature(strings.Repeat("x", i*7))}))
	}
	file := framed(t, records...)
	good := fileOf(t, "good", file)
	d, _, err := openRows(t, TFRecord, good, ReadOptions{})
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

func anySplitFails(d *Dataset, path string, size, split int64) bool {
	for at := int64(0); at < size; at += split {
		_, err := splitRows(d, Split{Path: path, Offset: at, Length: min(split, size-at)})
		var damage *Error
		if errors.As(err, &damage) {
			return true
		}
	}
	return false
}

// boundary says whether a record begins at an offset.
func boundary(t *testing.T, file []byte, offset int) bool {
	at := 0
	for at < offset {
		at += 16 + int(binary.LittleEndian.Uint64(file[at:]))
	}
	return at == offset
}

func TestTFRecordWrites(t *testing.T) {
	schema := schemaOf(nullable("a", arrow.ListOf(arrow.PrimitiveTypes.Float32)), nullable("b", arrow.BinaryTypes.Binary), nullable("c", arrow.BinaryTypes.String),
		nullable("d", arrow.PrimitiveTypes.Float64), nullable("e", arrow.FixedWidthTypes.Boolean), nullable("f", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Uint16)),
		nullable("g", arrow.PrimitiveTypes.Uint64), nullable("h", arrow.FixedWidthTypes.Float16), nullable("i", arrow.LargeListOf(arrow.BinaryTypes.String)))
	out := mustWrite(t, TFRecord, schema, WriteOptions{}, `[
		{"a":[1.5,-2],"b":"AP8=","c":"é","d":0.1,"e":true,"f":[1,65535],"g":9223372036854775807,"h":0.5,"i":["x",""]},
		{"a":[],"c":"","d":-1e-320,"i":[]}]`)
	want := []features{
		{"a": floatFeature(1.5, -2), "b": bytesFeature("\x00\xff"), "c": bytesFeature("é"), "d": floatFeature(0.1), "e": intFeature(1), "f": intFeature(1, 65535),
			"g": intFeature(math.MaxInt64), "h": floatFeature(0.5), "i": bytesFeature("x", "")},
		{"a": floatFeature(), "c": bytesFeature(""), "d": floatFeature(float32(math.Copysign(0, -1))), "i": bytesFeature()},
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
		_, err := written(TFRecord, schemaOf(nullable("col", c.t)), WriteOptions{}, `[{"col":null},{"col":`+c.row+`}]`)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), `row 1: column "col"`) {
			t.Errorf("%s as %s: %v", c.row, c.t, err)
		}
	}
	for _, refused := range []arrow.DataType{arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int8)), arrow.StructOf(int8s("a")), arrow.FixedWidthTypes.Date32, arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int8)} {
		if _, err := NewWriter(TFRecord, io.Discard, schemaOf(nullable("col", refused)), WriteOptions{}); !errors.Is(err, ErrType) || !strings.Contains(err.Error(), `"col"`) {
			t.Errorf("%s: %v, want ErrType of col", refused, err)
		}
	}
	if _, err := NewWriter(TFRecord, io.Discard, schema, WriteOptions{Compression: "zstd"}); err == nil {
		t.Error("zstd is written")
	}
}

// A list of a slice of an array begins in the middle of its values.
func TestTFRecordWritesSlices(t *testing.T) {
	schema := schemaOf(nullable("f", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int8)), nullable("l", arrow.ListOf(arrow.PrimitiveTypes.Float32)), nullable("s", arrow.BinaryTypes.String))
	rows := []string{`{"f":[1,2],"l":[1.0],"s":"a"}`, `{"f":[3,4],"l":[2.0,3.0],"s":"bc"}`, `{"f":null,"l":[],"s":null}`}
	for _, format := range []Format{TFRecord, CSV, JSON} {
		out := mustWriteSliced(t, format, schema, "["+strings.Join(rows, ",")+"]")
		wantRows(t, format, fileOf(t, "a", out), ReadOptions{Schema: schema}, "", rows[1:]...)
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
			records = append(records, encoded(t, features{"i": intFeature(int64(i)), "b": bytesFeature(string(data[:i%(len(data)+1)]))}))
		}
		o := ReadOptions{Schema: schemaOf(nullable("b", arrow.BinaryTypes.Binary))}
		cutsAgree(t, TFRecord, fileOf(t, "a.tfrecord", framed(t, records...)), o, seed)
	})
}
