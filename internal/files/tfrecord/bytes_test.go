package tfrecord_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files"
	"tfos/internal/files/codec"
	"tfos/internal/files/filestest"
)

func byteArrays() map[string]string { return map[string]string{"recordType": "ByteArray"} }

// Records of any bytes are read and written unchanged, for any splits of the
// file.
func TestByteArrays(t *testing.T) {
	var want [][]byte
	for i := range 300 {
		want = append(want, bytes.Repeat([]byte{byte(i), 0, 0xff}, i%7))
	}
	path := filestest.File(t, "a.tfrecord", filestest.Framed(t, want...))
	for _, size := range []int64{0, 100, 1000} {
		data, err := files.Open(t.Context(), files.TFRecord, path, files.ReadOptions{Options: byteArrays(), BadRows: true})
		if err != nil {
			t.Fatal(err)
		}
		recipe, err := data.Recipe() // executors read with it
		if err == nil {
			_, err = recipe.Dataset(files.ReadOptions{})
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
		w, err := files.NewWriter(files.TFRecord, &written, data.Schema(), files.WriteOptions{Options: byteArrays()})
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
		if !bytes.Equal(written.Bytes(), filestest.Framed(t, want...)) {
			t.Error("the file written is another")
		}
	}
}

// What the option does not support is an error that says so.
func TestByteArraysRefused(t *testing.T) {
	path := filestest.File(t, "a.tfrecord", filestest.Framed(t, []byte("a")))
	options := byteArrays()
	options["other"] = "1"
	if _, err := files.Open(t.Context(), files.TFRecord, path, files.ReadOptions{Options: options}); err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("another option: %v", err)
	}
	declared := filestest.SchemaOf(filestest.Nullable("byteArray", arrow.BinaryTypes.String))
	if _, err := files.Open(t.Context(), files.TFRecord, path, files.ReadOptions{Options: byteArrays(), Schema: declared}); !errors.Is(err, files.ErrType) {
		t.Errorf("another type: %v", err)
	}
	two := filestest.SchemaOf(filestest.Nullable("a", arrow.BinaryTypes.Binary), filestest.Nullable("b", arrow.BinaryTypes.Binary))
	if _, err := files.NewWriter(files.TFRecord, &bytes.Buffer{}, two, files.WriteOptions{Options: byteArrays()}); !errors.Is(err, files.ErrType) {
		t.Errorf("two columns: %v", err)
	}
	text := filestest.SchemaOf(filestest.Nullable("a", arrow.BinaryTypes.String))
	if _, err := files.NewWriter(files.TFRecord, &bytes.Buffer{}, text, files.WriteOptions{Options: byteArrays()}); !errors.Is(err, files.ErrType) {
		t.Errorf("a column of text: %v", err)
	}
	one := filestest.SchemaOf(filestest.Nullable("a", arrow.BinaryTypes.Binary))
	if _, err := files.NewWriter(files.TFRecord, &bytes.Buffer{}, one, files.WriteOptions{Options: byteArrays(), Compression: "zstd"}); err == nil {
		t.Error("zstd is written")
	}
	if _, err := filestest.Written(files.TFRecord, one, files.WriteOptions{Options: byteArrays()}, `[{"a": null}]`); !errors.Is(err, files.ErrValue) {
		t.Errorf("a null: %v", err)
	}
	damaged := filestest.Framed(t, []byte("a record"), []byte("another"))
	damaged[len(damaged)-6] ^= 1
	data, err := files.Open(t.Context(), files.TFRecord, filestest.File(t, "b.tfrecord", damaged), files.ReadOptions{Options: byteArrays()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := data.Read(t.Context(), codec.WholeFile(data.Files()[0].Path))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var at *files.Error
	if _, err := r.Next(); !errors.As(err, &at) || at.Row != 1 || !strings.Contains(err.Error(), "does not match its CRC") {
		t.Errorf("a damaged record: %v", err)
	}
}
