package files

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

func byteArrays() map[string]string { return map[string]string{"recordType": "ByteArray"} }

// TestByteArrays: records come as they are, whatever they hold and however the
// file is cut, and are written as they are.
func TestByteArrays(t *testing.T) {
	var want [][]byte
	for i := range 300 {
		want = append(want, bytes.Repeat([]byte{byte(i), 0, 0xff}, i%7))
	}
	path := fileOf(t, "a.tfrecord", framed(t, want...))
	for _, size := range []int64{0, 100, 1000} {
		data, err := Open(t.Context(), TFRecord, path, ReadOptions{Options: byteArrays(), BadRows: true})
		if err != nil {
			t.Fatal(err)
		}
		recipe, err := data.Recipe() // executors read by it
		if err == nil {
			_, err = recipe.Dataset(ReadOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		if f := data.Schema().Fields(); len(f) != 1 || f[0].Name != "byteArray" || f[0].Type.ID() != arrow.BINARY {
			t.Fatalf("columns %v", f)
		}
		splits, err := data.Splits(t.Context(), size)
		if err != nil || size > 0 && len(splits) < 2 {
			t.Fatalf("%d splits: %v", len(splits), err)
		}
		var have [][]byte
		var written bytes.Buffer
		w, err := NewWriter(TFRecord, &written, data.Schema(), WriteOptions{Options: byteArrays()})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range splits {
			r, err := data.Read(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			for {
				record, err := r.Next()
				if err != nil {
					break
				}
				for i := range int(record.NumRows()) {
					have = append(have, bytes.Clone(record.Column(0).(*array.Binary).Value(i)))
				}
				if err := w.Write(record); err != nil {
					t.Fatal(err)
				}
				record.Release()
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Join(have, []byte("|")); !bytes.Equal(got, bytes.Join(want, []byte("|"))) {
			t.Errorf("splits of %d bytes: %d records, want %d", size, len(have), len(want))
		}
		if !bytes.Equal(written.Bytes(), framed(t, want...)) {
			t.Error("the file written is another")
		}
	}
}

// TestByteArraysRefused: what the option does not go with is an error that says so.
func TestByteArraysRefused(t *testing.T) {
	path := fileOf(t, "a.tfrecord", framed(t, []byte("a")))
	options := byteArrays()
	options["other"] = "1"
	if _, err := Open(t.Context(), TFRecord, path, ReadOptions{Options: options}); err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("another option: %v", err)
	}
	declared := schemaOf(nullable("byteArray", arrow.BinaryTypes.String))
	if _, err := Open(t.Context(), TFRecord, path, ReadOptions{Options: byteArrays(), Schema: declared}); !errors.Is(err, ErrType) {
		t.Errorf("another type: %v", err)
	}
	two := schemaOf(nullable("a", arrow.BinaryTypes.Binary), nullable("b", arrow.BinaryTypes.Binary))
	if _, err := NewWriter(TFRecord, &bytes.Buffer{}, two, WriteOptions{Options: byteArrays()}); !errors.Is(err, ErrType) {
		t.Errorf("two columns: %v", err)
	}
	one := schemaOf(nullable("a", arrow.BinaryTypes.Binary))
	if _, err := written(TFRecord, one, WriteOptions{Options: byteArrays()}, `[{"a": null}]`); !errors.Is(err, ErrValue) {
		t.Errorf("a null: %v", err)
	}
	damaged := framed(t, []byte("a record"), []byte("another"))
	damaged[len(damaged)-6] ^= 1
	data, err := Open(t.Context(), TFRecord, fileOf(t, "b.tfrecord", damaged), ReadOptions{Options: byteArrays()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := data.Read(t.Context(), wholeFile(data.Files()[0].Path))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var at *Error
	if _, err := r.Next(); !errors.As(err, &at) || at.Row != 1 || !strings.Contains(err.Error(), "does not match its CRC") {
		t.Errorf("a damaged record: %v", err)
	}
}
