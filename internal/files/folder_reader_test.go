package files_test

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
)

// TestFolderReader: a reader that adds columns of folder names reports the bad
// rows and the progress of the file's reader.
func TestFolderReader(t *testing.T) {
	root := t.TempDir()
	put(t, root, "day=1/a.csv")
	path := filepath.Join(root, "day=1/a.csv")
	if err := os.WriteFile(path, []byte("v,w\n1,x\nbad,y\n3,z\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	schema := filestest.SchemaOf(filestest.Nullable("v", arrow.PrimitiveTypes.Int64))
	d, err := files.Open(t.Context(), files.CSV, root, files.ReadOptions{Schema: schema, BadRows: true, Memory: filestest.Checked(t)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Read(t.Context(), files.Split{Path: path, Length: d.Files()[0].Size})
	if err != nil {
		t.Fatal(err)
	}
	record, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if bad := files.Bad(r); len(bad) != 1 || bad[0].Row != 1 || bad[0].Column != "v" || record.NumRows() != 3 {
		t.Errorf("bad rows %v of %v", bad, record)
	}
	if passed := r.(files.Placed).Passed(); passed != 1 {
		t.Errorf("passed %v at the end", passed)
	}
	record.Release()
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestFolderReaderErrors: what a split's folders or file do not allow is an
// error of that file, and leaves no memory behind.
func TestFolderReaderErrors(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a=1/b=x/a.csv")
	for ddl, c := range map[string]struct {
		file    string
		damaged bool
	}{
		"a int, b int":    {"a=1/b=x/a.csv", true}, // b=x is no int
		"a int, b string": {"a=1/a.csv", true},     // no folder of b
		"b string":        {"a=1/b=x/none.csv", false},
	} {
		schema, err := files.ParseSchema(ddl)
		if err != nil {
			t.Fatal(err)
		}
		d, err := files.Open(t.Context(), files.CSV, root, files.ReadOptions{Schema: schema, Memory: filestest.Checked(t)})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, c.file)
		_, err = d.Read(t.Context(), files.Split{Path: path, Length: 100})
		var own *files.Error
		if damaged := errors.As(err, &own); err == nil || damaged != c.damaged || damaged && own.Path != path {
			t.Errorf("%s of %s: %v", ddl, c.file, err)
		}
		if !c.damaged && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s of %s: %v, want ErrNotExist", ddl, c.file, err)
		}
	}
}

// TestOpenKeepsItsOptions: Open leaves the caller's options and schema as they
// are. A second Open with them gives the same columns.
func TestOpenKeepsItsOptions(t *testing.T) {
	root := t.TempDir()
	put(t, root, "day=1/a.csv")
	o := files.ReadOptions{Options: map[string]string{"header": "true", "basePath": root}, Schema: filestest.SchemaOf(filestest.Nullable("day", arrow.BinaryTypes.String))}
	options := maps.Clone(o.Options)
	for range 2 {
		d, err := files.Open(t.Context(), files.CSV, filepath.Join(root, "day=1"), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := rowsIn(t, d); !slices.Equal(got, []string{"0|x|1"}) {
			t.Errorf("rows %v", got)
		}
	}
	if !maps.Equal(o.Options, options) || o.Schema.NumFields() != 1 {
		t.Errorf("options %v, schema %v", o.Options, o.Schema)
	}
	if _, err := files.Open(t.Context(), "avro", root, files.ReadOptions{}); err == nil {
		t.Error("a format that is not known is opened")
	}
}
