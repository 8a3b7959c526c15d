package files_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

// put writes files of one column v below a folder.
func put(t *testing.T, root string, names ...string) {
	t.Helper()
	for i, name := range names {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, fmt.Appendf(nil, "v,w\n%d,x\n", i), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// rowsIn reads all rows of a data set as "a|b|…", in the files' order.
func rowsIn(t *testing.T, d *files.Dataset) (rows []string) {
	t.Helper()
	splits, err := d.Splits(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range splits {
		r, err := d.Read(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for {
			record, err := r.Next()
			if err != nil {
				break
			}
			for i := range int(record.NumRows()) {
				var cells []string
				for _, c := range record.Columns() {
					cells = append(cells, c.ValueStr(i))
				}
				rows = append(rows, strings.Join(cells, "|"))
			}
			record.Release()
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

// TestFolders has folder trees, with Spark's schema and rows for each.
func TestFolders(t *testing.T) {
	for name, c := range map[string]struct {
		files   []string
		path    string
		base    string
		columns string // or the error
		rows    []string
	}{
		"one":              {files: []string{"day=1/a.csv", "day=2/b.csv"}, columns: "v w day:int32", rows: []string{"0|x|1", "1|x|2"}},
		"below":            {files: []string{"day=1/s/a.csv", "day=2/b.csv"}, columns: "v w day:int32", rows: []string{"0|x|1", "1|x|2"}},
		"above":            {files: []string{"s/day=1/a.csv", "s/day=2/b.csv"}, columns: "v w day:int32", rows: []string{"0|x|1", "1|x|2"}},
		"two":              {files: []string{"a=1/b=x/a.csv", "a=2/b=y/b.csv"}, columns: "v w a:int32 b:utf8", rows: []string{"0|x|1|x", "1|x|2|y"}},
		"middle":           {files: []string{"a=1/s/b=2/x.csv"}, columns: "v w b:int32", rows: []string{"0|x|2"}},
		"case":             {files: []string{"Day=2/a.csv", "day=1/b.csv"}, columns: "v w Day:int32", rows: []string{"0|x|2", "1|x|1"}},
		"escapes":          {files: []string{"a%20b=c%2Fd/a.csv"}, columns: "v w a b:utf8", rows: []string{"0|x|c/d"}},
		"null":             {files: []string{"a=1/a.csv", "a=" + files.NullFolder + "/b.csv"}, columns: "v w a:int32", rows: []string{"0|x|1", "1|x|(null)"}},
		"hidden":           {files: []string{"a=1/_x/a.csv", "a=1/.y/b.csv", "a=2/c.csv", "_b/d.csv"}, columns: "v w a:int32", rows: []string{"2|x|2"}},
		"underscore":       {files: []string{"_a=1/a.csv"}, columns: "v w _a:int32", rows: []string{"0|x|1"}},
		"in the file too":  {files: []string{"v=7/a.csv"}, columns: "v:int32 w", rows: []string{"7|x"}},
		"and in capitals":  {files: []string{"V=7/a.csv"}, columns: "V:int32 w", rows: []string{"7|x"}},
		"glob above":       {files: []string{"s/day=1/a.csv", "s/day=2/b.csv"}, path: "*", columns: "v w day:int32", rows: []string{"0|x|1", "1|x|2"}},
		"glob of columns":  {files: []string{"day=1/a.csv", "day=2/b.csv"}, path: "day=*", columns: "v w", rows: []string{"0|x", "1|x"}},
		"glob of files":    {files: []string{"day=1/a.csv", "day=2/b.csv"}, path: "*/*.csv", columns: "v w", rows: []string{"0|x", "1|x"}},
		"within":           {files: []string{"day=1/h=2/a.csv"}, path: "day=1", columns: "v w h:int32", rows: []string{"0|x|2"}},
		"base":             {files: []string{"day=1/a.csv", "day=2/b.csv"}, path: "day=*/*.csv", base: ".", columns: "v w day:int32", rows: []string{"0|x|1", "1|x|2"}},
		"base is the path": {files: []string{"day=1/a.csv"}, base: ".", columns: "v w day:int32", rows: []string{"0|x|1"}},
		"wrong base":       {files: []string{"day=1/a.csv"}, path: "day=*", base: "other", columns: "is not below"},
		"twice above":      {files: []string{"s/day=1/a.csv", "t/day=2/b.csv"}, columns: "folders of columns are in"},
		"other columns":    {files: []string{"day=1/a.csv", "month=2/b.csv"}, columns: "of columns day, those of"},
		"other depth":      {files: []string{"day=1/a.csv", "day=2/h=3/b.csv"}, columns: "of columns day, those of"},
		"beside":           {files: []string{"a.csv", "day=1/b.csv"}, columns: "is in no folder of column day"}, // Spark omits the row
		"twice":            {files: []string{"a=1/a=2/a.csv"}, columns: "two of its folders are of column a"},
		"no value":         {files: []string{"a=/a.csv"}, columns: "has no name, or no value"},
		"no name":          {files: []string{"=1/a.csv"}, columns: "has no name, or no value"},
		"no columns there": {files: []string{"a.csv", "s/b.csv"}, columns: "v w", rows: []string{"0|x", "1|x"}},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "run=5", "in")
			put(t, root, c.files...)
			o := files.ReadOptions{Options: map[string]string{"header": "true"}}
			if c.base != "" {
				o.Options["basepath"] = filepath.Join(root, c.base)
			}
			d, err := files.Open(t.Context(), files.CSV, filepath.Join(root, c.path), o)
			if err != nil {
				if c.rows != nil || !strings.Contains(err.Error(), c.columns) {
					t.Fatal(err)
				}
				return
			}
			var columns []string
			for i, f := range d.Schema().Fields() {
				if text := f.Name; i > 1 || d.InFolders(f.Name) {
					columns = append(columns, text+":"+f.Type.String())
				} else {
					columns = append(columns, text)
				}
			}
			if got := strings.Join(columns, " "); got != c.columns {
				t.Errorf("columns %s, want %s", got, c.columns)
			}
			if got := rowsIn(t, d); !slices.Equal(got, c.rows) {
				t.Errorf("rows %v, want %v", got, c.rows)
			}
		})
	}
}

// TestBasePath: names of the folder itself, and of those above it, hold no
// column, however the option spells the folder.
func TestBasePath(t *testing.T) {
	root := filepath.Join(t.TempDir(), "run=5")
	put(t, root, "day=1/a.csv", "day=2/b.csv")
	for _, base := range []string{root, root + "/", root + "//", "file:" + root, "file://" + root + "/"} {
		d, err := files.Open(t.Context(), files.CSV, filepath.Join(root, "day=*"), files.ReadOptions{Options: map[string]string{"basePath": base}})
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		if got := rowsIn(t, d); !slices.Equal(got, []string{"0|x|1", "1|x|2"}) || d.InFolders("run") {
			t.Errorf("%s: columns %v, rows %v", base, d.Schema(), got)
		}
	}
}

// TestFoldersOfEveryFormat reads columns in folder names together with those in
// files: alone, in another order, in small batches, and by a recipe.
func TestFoldersOfEveryFormat(t *testing.T) {
	for _, format := range files.Formats {
		t.Run(string(format), func(t *testing.T) {
			root := t.TempDir()
			put(t, root, "csv/a.csv", "csv/b.csv")
			for _, day := range []string{"2024-01-02", "2024-01-03"} {
				out := filepath.Join(root, "in", "day="+day)
				if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
					t.Fatal(err)
				}
				_, err := files.Convert(t.Context(), files.Conversion{From: files.CSV, In: filepath.Join(root, "csv"), To: format, Out: out, Staging: out + ".tmp",
					Read: files.ReadOptions{Options: map[string]string{"header": "true"}}})
				if err != nil {
					t.Fatal(err)
				}
			}
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			for columns, want := range map[string][]string{
				"v,day": {"0|2024-01-02", "1|2024-01-02", "0|2024-01-03", "1|2024-01-03"},
				"day,v": {"2024-01-02|0", "2024-01-02|1", "2024-01-03|0", "2024-01-03|1"},
				"day":   {"2024-01-02", "2024-01-02", "2024-01-03", "2024-01-03"},
				"v":     {"0", "1", "0", "1"},
			} {
				for _, bad := range []bool{false, true} {
					o := files.ReadOptions{Columns: strings.Split(columns, ","), BatchRows: 1, Memory: mem, BadRows: bad}
					d, err := files.Open(t.Context(), format, filepath.Join(root, "in"), o)
					if err != nil {
						t.Fatal(err)
					}
					if got := rowsIn(t, d); !slices.Equal(got, want) {
						t.Errorf("%s: %v, want %v", columns, got, want)
					}
					recipe, err := d.Recipe()
					if err != nil {
						t.Fatal(err)
					}
					made, err := recipe.Dataset(files.ReadOptions{Memory: mem})
					if err != nil {
						t.Fatal(err)
					}
					made.TakeFiles(d)
					if got := rowsIn(t, made); !slices.Equal(got, want) {
						t.Errorf("%s by recipe: %v, want %v", columns, got, want)
					}
				}
			}
		})
	}
}

// TestFoldersDeclared reads a folder's value as a declared type.
func TestFoldersDeclared(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a=01/x.csv")
	for ddl, want := range map[string]string{"a string": "01", "a bigint": "1", "a double": "1", "a float": "1", "a decimal(5,0)": "1", "a smallint": "1"} {
		schema, err := files.ParseSchema(ddl)
		if err != nil {
			t.Fatal(err)
		}
		d, err := files.Open(t.Context(), files.CSV, root, files.ReadOptions{Schema: schema, Columns: []string{"a"}, Options: map[string]string{"header": "true"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := rowsIn(t, d); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v, want %s", ddl, got, want)
		}
	}
	schema, _ := files.ParseSchema("a date")
	d, err := files.Open(t.Context(), files.CSV, root, files.ReadOptions{Schema: schema, Options: map[string]string{"header": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Read(t.Context(), files.Split{Path: root + "/a=01/x.csv", Length: 100})
	var bad *files.Error
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "column a, from its folder") {
		t.Errorf("%v", err)
	}
}

// TestPartitionedOutput reads back what was written, in every format. There are
// more rows than in a batch, and several shards. Each row is there once.
func TestPartitionedOutput(t *testing.T) {
	for _, format := range files.Formats {
		t.Run(string(format), func(t *testing.T) {
			root := t.TempDir()
			var text strings.Builder
			text.WriteString("id,k,s\n")
			for i := range 5000 {
				fmt.Fprintf(&text, "%d,%d,%s\n", i, i%7, []string{"a", "b/c", ""}[i%3])
			}
			if err := os.WriteFile(filepath.Join(root, "in.csv"), []byte(text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			out := filepath.Join(root, "out")
			done, err := files.Convert(t.Context(), files.Conversion{From: files.CSV, In: filepath.Join(root, "in.csv"), To: format, Out: out, Staging: out + ".tmp",
				Shards: 2, PartitionBy: []string{"k", "s"}, Read: files.ReadOptions{Memory: mem, Options: map[string]string{"header": "true"}}})
			if err != nil || done.Rows != 5000 || done.Files != 42 {
				t.Fatal(done, err)
			}
			d, err := files.Open(t.Context(), format, out, files.ReadOptions{Columns: []string{"id", "k", "s"}})
			if err != nil {
				t.Fatal(err)
			}
			got := rowsIn(t, d)
			slices.Sort(got)
			var want []string
			for i := range 5000 {
				want = append(want, fmt.Sprintf("%d|%d|%s", i, i%7, []string{"a", "b/c", "(null)"}[i%3]))
			}
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%d rows, not the %d that were written", len(got), len(want))
			}
		})
	}
}

// TestFolderRules: Spark's settings.
func TestFolderRules(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a=01/t=2024-01-02 10%3A11%3A12/x.csv")
	for rules, want := range map[files.FolderRules]string{
		{Zone: "Europe/Berlin"}: "1|2024-01-02 09:11:12",
		{Zone: "Asia/Tokyo"}:    "1|2024-01-02 01:11:12",
		{Text: true}:            "01|2024-01-02 10:11:12",
		{}:                      "1|" + time.Date(2024, 1, 2, 10, 11, 12, 0, time.Local).UTC().Format(time.DateTime), // the machine's zone
	} {
		d, err := files.Open(t.Context(), files.CSV, root, files.ReadOptions{Folders: rules, Columns: []string{"a", "t"}, Options: map[string]string{"header": "true"}})
		if err != nil {
			t.Fatal(err)
		}
		recipe, err := d.Recipe()
		if err != nil {
			t.Fatal(err)
		}
		made, err := recipe.Dataset(files.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		made.TakeFiles(d)
		if got := rowsIn(t, made); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%+v: %v, want %s", rules, got, want)
		}
	}
	if _, err := files.Open(t.Context(), files.CSV, root, files.ReadOptions{Folders: files.FolderRules{Zone: "GMT+7"}}); err == nil || !strings.Contains(err.Error(), "Europe/Berlin") {
		t.Errorf("a zone that Go does not know: %v", err)
	}
}
