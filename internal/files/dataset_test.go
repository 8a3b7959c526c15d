package files_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
	"tfos/internal/store"
)

// TestDatasetParts: a part of a data set has other columns, types or files. The
// data set itself stays as it was.
func TestDatasetParts(t *testing.T) {
	root := t.TempDir()
	put(t, root, "day=1/a.csv", "day=2/b.csv")
	d, err := files.Open(t.Context(), files.CSV, root, files.ReadOptions{Memory: filestest.Checked(t)})
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, d *files.Dataset, schema string, rows ...string) {
		t.Helper()
		if got := filestest.SchemaText(d.Schema()); got != schema {
			t.Errorf("%s: columns %s, want %s", what, got, schema)
		}
		if got := rowsIn(t, d); !slices.Equal(got, rows) {
			t.Errorf("%s: rows %v, want %v", what, got, rows)
		}
		none := d.NoRows()
		defer none.Release()
		if none.NumRows() != 0 || !none.Schema().Equal(d.Schema()) {
			t.Errorf("%s: without rows: %v", what, none)
		}
	}
	selected, err := d.Select("day", "v")
	if err != nil {
		t.Fatal(err)
	}
	check("Select", selected, "day:int32 v:int64", "1|0", "2|1")
	check("Retype", d.Retype(map[string]arrow.DataType{"v": arrow.BinaryTypes.String, "other": arrow.BinaryTypes.String}), "v:utf8 w:utf8 day:int32", "0|x|1", "1|x|2")
	check("Where", d.Where(func(f store.Info) bool { return strings.HasSuffix(f.Path, "b.csv") }), "v:int64 w:utf8 day:int32", "1|x|2")
	one, err := selected.OneFile(t.Context(), filepath.Join(root, "day=2/b.csv"))
	if err != nil {
		t.Fatal(err)
	}
	check("OneFile", one, "v:int64 w:utf8 day:int32", "1|x|2")
	check("the data set", d, "v:int64 w:utf8 day:int32", "0|x|1", "1|x|2")
	if _, err := d.Select("v", "x"); err == nil {
		t.Error("a column that is not there is selected")
	}
	if _, err := d.OneFile(t.Context(), filepath.Join(root, "day=3/c.csv")); err == nil {
		t.Error("a file that is not there is opened")
	}
}

// TestListFor: what Spark reads instead of a path, and whether folder names hold
// columns.
func TestListFor(t *testing.T) {
	for name, c := range map[string]struct {
		files   []string
		path    string
		base    bool
		columns bool
		want    []string // nil: an error
		flat    bool
	}{
		"columns":            {files: []string{"day=1/a.csv", "day=2/b.csv"}, columns: true, want: []string{""}},
		"not asked":          {files: []string{"day=1/a.csv", "b.csv"}, want: []string{""}},
		"no columns":         {files: []string{"a.csv", "s/b.csv"}, columns: true, want: []string{""}, flat: true},
		"glob":               {files: []string{"day=1/a.csv", "day=2/b.csv"}, path: "day=*", columns: true, want: []string{"day=1", "day=2"}, flat: true},
		"glob with a base":   {files: []string{"day=1/a.csv", "day=2/b.csv"}, path: "day=*", base: true, columns: true, want: []string{"day=1", "day=2"}},
		"a file beside them": {files: []string{"day=1/a.csv", "b.csv"}, columns: true},
		"no file":            {files: []string{"a.csv"}, path: "none-*"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			put(t, root, c.files...)
			options := map[string]string{}
			if c.base {
				options["basePath"] = root
			}
			got, err := files.ListFor(t.Context(), filepath.Join(root, c.path), options, c.columns)
			if c.want == nil {
				if err == nil {
					t.Errorf("%+v is no error", got)
				}
				return
			}
			var want []string
			for _, name := range c.want {
				want = append(want, filepath.Join(root, name))
			}
			if err != nil || !slices.Equal(got.Paths, want) || got.Flat != c.flat {
				t.Errorf("%+v, %v; want %v, flat %t", got, err, want, c.flat)
			}
		})
	}
}
