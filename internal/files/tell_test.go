package files

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

func TestFormatOfNames(t *testing.T) {
	for name, want := range map[string]Format{
		"a.csv": CSV, "A.CSV": CSV, "a.csv.gz": CSV, "a.jsonl.gz": JSON, "a.parquet": Parquet,
		"x.tfrecord-00000-of-00002": TFRecord, "x.tfrecord-00000-of-00002.gz": TFRecord, "x-00001-of-00010.tfrecord": TFRecord,
		"part-00000-5ac1-c000.snappy.parquet": Parquet, "a.feather": Arrow, "in/*.csv": CSV,
		"a": "", "a.txt": "", "a.orc": "", "train-00000-of-00002": "", "a.b.c.csv.x.y": "",
	} {
		if got, _ := FormatOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// files of one row each, without an extension.
func fileOfEach(t *testing.T) map[Format][]byte {
	schema, all := schemaOf(nullable("a", arrow.PrimitiveTypes.Int64)), map[Format][]byte{}
	for _, f := range Formats {
		all[f] = mustWrite(t, f, schema, WriteOptions{}, `[{"a":1},{"a":2}]`)
	}
	return all
}

func packedBytes(t *testing.T, b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestFormatOfFirstBytes(t *testing.T) {
	for format, content := range fileOfEach(t) {
		packed := packedBytes(t, content)
		for name, c := range map[string]struct {
			content []byte
			ok      bool
		}{"plain": {content, format != CSV}, "gzip": {packed, format == TFRecord || format == JSON}} {
			got, err := Tell(context.Background(), fileOf(t, "rows", c.content))
			switch {
			case c.ok && (err != nil || got != format):
				t.Errorf("%s, %s: %q (%v)", format, name, got, err)
			case !c.ok && name == "plain" && !errors.Is(err, ErrUntold):
				t.Errorf("%s: %q (%v), want that the format is asked for", format, got, err)
			}
		}
	}
	// Texts that look like zlib's header are no TFRecord files.
	if _, err := Tell(context.Background(), fileOf(t, "rows", []byte("80,1\n81,2\n82,3\n"))); !errors.Is(err, ErrUntold) {
		t.Errorf("a text: %v", err)
	}
	path := fileOf(t, "rows", fileOfEach(t)[Parquet])
	wantRows(t, "", path, ReadOptions{}, "a:int64", `{"a":1}`, `{"a":2}`)
}

func TestFoldersOfSeveralFormats(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{"a.csv": []byte("a\n1\n"), "b.parquet": fileOfEach(t)[Parquet]} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Open(context.Background(), "", dir, ReadOptions{})
	if err == nil || !strings.Contains(err.Error(), "a.csv (csv)") || !strings.Contains(err.Error(), "b.parquet (parquet)") {
		t.Errorf("%v", err)
	}
}

// A format that the first bytes contradict is an error that says what they are.
func TestFormatsThatAreOthers(t *testing.T) {
	for is, content := range fileOfEach(t) {
		if is == CSV || is == JSON {
			continue
		}
		for _, format := range Formats {
			if format == is {
				continue
			}
			path := fileOf(t, "rows", content)
			_, _, err := openRows(t, format, path, ReadOptions{})
			var at *Error
			if !errors.As(err, &at) || !strings.Contains(err.Error(), "it is a "+string(is)+" file by its first bytes") {
				t.Errorf("%s read as %s: %v", is, format, err)
			}
		}
	}
	for _, format := range []Format{Parquet, Arrow} {
		_, _, err := openRows(t, format, fileOf(t, "a.csv", []byte("a,b\n1,2\n3,4\n5,6\n")), ReadOptions{})
		if err == nil || !strings.Contains(err.Error(), "named as a csv file") {
			t.Errorf("a CSV file read as %s: %v", format, err)
		}
	}
	wantError(t, CSV, fileOf(t, "a.csv.bz2", []byte("BZh91AY&SY\x00\x00")), ReadOptions{}, 0, "bzip2", "decompress")
}
