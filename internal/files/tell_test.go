package files_test

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

	"tfos/internal/files"
	"tfos/internal/files/filestest"
)

func TestFormatOfNames(t *testing.T) {
	for name, want := range map[string]files.Format{
		"a.csv": files.CSV, "A.CSV": files.CSV, "a.csv.gz": files.CSV, "a.jsonl.gz": files.JSON, "a.parquet": files.Parquet,
		"x.tfrecord-00000-of-00002": files.TFRecord, "x.tfrecord-00000-of-00002.gz": files.TFRecord, "x-00001-of-00010.tfrecord": files.TFRecord,
		"part-00000-5ac1-c000.snappy.parquet": files.Parquet, "a.feather": files.Arrow, "in/*.csv": files.CSV,
		"a": "", "a.txt": "", "a.orc": "", "train-00000-of-00002": "", "a.b.c.csv.x.y": "",
	} {
		if got, _ := files.FormatOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// fileOfEach returns a file of each format.
func fileOfEach(t *testing.T) map[files.Format][]byte {
	schema, all := filestest.SchemaOf(filestest.Nullable("a", arrow.PrimitiveTypes.Int64)), map[files.Format][]byte{}
	for _, f := range files.Formats {
		all[f] = filestest.MustWrite(t, f, schema, files.WriteOptions{}, `[{"a":1},{"a":2}]`)
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
		}{"plain": {content, format != files.CSV}, "gzip": {packed, format == files.TFRecord || format == files.JSON}} {
			got, err := files.Tell(context.Background(), filestest.File(t, "rows", c.content))
			switch {
			case c.ok && (err != nil || got != format):
				t.Errorf("%s, %s: %q (%v)", format, name, got, err)
			case !c.ok && name == "plain" && !errors.Is(err, files.ErrUntold):
				t.Errorf("%s: %q (%v), want that the format is asked for", format, got, err)
			}
		}
	}
	// Text that looks like zlib's header is not a TFRecord file.
	if _, err := files.Tell(context.Background(), filestest.File(t, "rows", []byte("80,1\n81,2\n82,3\n"))); !errors.Is(err, files.ErrUntold) {
		t.Errorf("a text: %v", err)
	}
	path := filestest.File(t, "rows", fileOfEach(t)[files.Parquet])
	filestest.WantRows(t, "", path, files.ReadOptions{}, "a:int64", `{"a":1}`, `{"a":2}`)
}

func TestFoldersOfSeveralFormats(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{"a.csv": []byte("a\n1\n"), "b.parquet": fileOfEach(t)[files.Parquet]} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := files.Open(context.Background(), "", dir, files.ReadOptions{})
	if err == nil || !strings.Contains(err.Error(), "a.csv (csv)") || !strings.Contains(err.Error(), "b.parquet (parquet)") {
		t.Errorf("%v", err)
	}
}

// A format that the first bytes contradict is an error that names the real
// format.
func TestFormatsThatAreOthers(t *testing.T) {
	for is, content := range fileOfEach(t) {
		if is == files.CSV || is == files.JSON {
			continue
		}
		for _, format := range files.Formats {
			if format == is {
				continue
			}
			path := filestest.File(t, "rows", content)
			_, _, err := filestest.OpenRows(t, format, path, files.ReadOptions{})
			var at *files.Error
			if !errors.As(err, &at) || !strings.Contains(err.Error(), "it is a "+string(is)+" file by its first bytes") {
				t.Errorf("%s read as %s: %v", is, format, err)
			}
		}
	}
	for _, format := range []files.Format{files.Parquet, files.Arrow} {
		_, _, err := filestest.OpenRows(t, format, filestest.File(t, "a.csv", []byte("a,b\n1,2\n3,4\n5,6\n")), files.ReadOptions{})
		if err == nil || !strings.Contains(err.Error(), "named as a csv file") {
			t.Errorf("a CSV file read as %s: %v", format, err)
		}
	}
	filestest.WantError(t, files.CSV, filestest.File(t, "a.csv.bz2", []byte("BZh91AY&SY\x00\x00")), files.ReadOptions{}, 0, "bzip2", "decompress")
}
