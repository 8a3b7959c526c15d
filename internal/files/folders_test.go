package files

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// TestFolderTypes holds values of folders against what Spark 3.5.9 makes of them,
// in the time zone Europe/Berlin; scripts/tests/spark/test_paths_spark.py asks Spark.
func TestFolderTypes(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ raw, kind, value string }{
		{"1", "int32", "1"}, {"01", "int32", "1"}, {"+1", "int32", "1"}, {"-5", "int32", "-5"}, {"-0", "int32", "0"},
		{"1_0", "utf8", "1_0"}, {"2147483648", "int64", "2147483648"}, {"9223372036854775807", "int64", "9223372036854775807"},
		{"9223372036854775808", "decimal(19, 0)", "9223372036854775808"}, {"-9223372036854775809", "decimal(19, 0)", "-9223372036854775809"},
		{"1e3", "decimal(4, 0)", "1000"}, {"1.", "decimal(1, 0)", "1"}, {"1.5e1", "decimal(2, 0)", "15"},
		{"99999999999999999999999999999999999999", "decimal(38, 0)", "99999999999999999999999999999999999999"},
		{"100000000000000000000000000000000000000", "float64", "1e+38"}, {"1.5", "float64", "1.5"}, {"1.0", "float64", "1"}, {".5", "float64", "0.5"},
		{"1d", "float64", "1"}, {"1f", "float64", "1"}, {"1L", "utf8", "1L"}, {"NaN", "float64", "NaN"}, {"nan", "utf8", "nan"}, {"-Infinity", "float64", "-Inf"}, {"inf", "utf8", "inf"},
		{"0x1p3", "float64", "8"}, {" 1", "float64", "1"}, {"1 ", "float64", "1"}, {"1e400", "float64", "+Inf"}, {"1e-400", "float64", "0"},
		{"2024-01-02", "date32", "2024-01-02"}, {"0001-01-01", "date32", "0001-01-01"}, {"2024-1-2", "utf8", "2024-1-2"}, {"2024-01", "utf8", "2024-01"},
		{"2024-13-01", "utf8", "2024-13-01"}, {"2024-01-32", "utf8", "2024-01-32"}, {"2024-01-02T", "utf8", "2024-01-02T"}, {"10000-01-01", "utf8", "10000-01-01"},
		{"2024-01-02 10%3A11%3A12", "timestamp[us, tz=UTC]", "2024-01-02 09:11:12"}, {"2024-07-02 10:11:12", "timestamp[us, tz=UTC]", "2024-07-02 08:11:12"},
		{"2024-01-02 10%3A11%3A12.5", "timestamp[us, tz=UTC]", "2024-01-02 09:11:12.5"}, {"2024-01-02 10%3A11%3A12.25", "utf8", "2024-01-02 10:11:12.25"},
		{"2024-01-02 10%3A11", "utf8", "2024-01-02 10:11"}, {"2024-01-02T10%3A11%3A12", "utf8", "2024-01-02T10:11:12"},
		{"abc", "utf8", "abc"}, {"a%20b", "utf8", "a b"}, {"a+b", "utf8", "a+b"}, {"a%", "utf8", "a%"}, {"a%zz", "utf8", "a%zz"}, {"%C3%A4", "utf8", "\u00c3\u00a4"}, {"ä", "utf8", "ä"},
		{"true", "utf8", "true"}, {"null", "utf8", "null"}, {"a=b", "utf8", "a=b"}, {"12%33", "utf8", "123"}, {"%201", "utf8", " 1"},
		{nullFolder, "utf8", "(null)"},
	} {
		kind := kindOf(c.raw).dataType()
		if kind.String() != c.kind {
			t.Errorf("%q is %s, want %s", c.raw, kind, c.kind)
			continue
		}
		a, err := folderArray(memory.DefaultAllocator, c.raw, kind, zone)
		if err != nil {
			t.Fatal(err)
		}
		got := a.ValueStr(0)
		if stamp, ok := a.(*array.Timestamp); ok {
			got = stamp.Value(0).ToTime(arrow.Microsecond).Format("2006-01-02 15:04:05.999999")
		}
		if got != c.value {
			t.Errorf("%q reads as %q, want %q", c.raw, got, c.value)
		}
		a.Release()
	}
}

// TestFolderTypesTogether is what Spark makes of two values in one column.
func TestFolderTypesTogether(t *testing.T) {
	values := map[string]string{"int": "1", "long": "3000000000", "dec": "100000000000000000000", "dec4": "1e3", "double": "1.5",
		"date": "2024-01-02", "time": "2024-01-02 10%3A11%3A12", "text": "abc", "null": nullFolder}
	want := map[string]string{
		"int int": "int32", "int long": "int64", "int dec": "decimal(21, 0)", "int dec4": "decimal(10, 0)", "int double": "float64", "int null": "int32",
		"long long": "int64", "long dec": "decimal(21, 0)", "long dec4": "decimal(20, 0)", "long null": "int64",
		"dec dec": "decimal(21, 0)", "dec dec4": "decimal(21, 0)", "dec null": "decimal(21, 0)", "dec4 dec4": "decimal(4, 0)", "dec4 null": "decimal(4, 0)",
		"double double": "float64", "double null": "float64", "date date": "date32", "date time": "timestamp[us, tz=UTC]", "date null": "date32",
		"time time": "timestamp[us, tz=UTC]", "time null": "timestamp[us, tz=UTC]",
	}
	for a := range values {
		for b := range values {
			kind, ok := want[a+" "+b]
			if other, flipped := want[b+" "+a]; !ok && flipped {
				kind, ok = other, true
			}
			if !ok {
				kind = "utf8"
			}
			if got := kindOf(values[a]).wider(kindOf(values[b])).dataType(); got.String() != kind {
				t.Errorf("%s with %s: %s, want %s", a, b, got, kind)
			}
		}
	}
}

// put writes files of one column v under a folder.
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
func rowsIn(t *testing.T, d *Dataset) (rows []string) {
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

// TestFolders are trees and what Spark's schema and rows are of each.
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
		"null":             {files: []string{"a=1/a.csv", "a=" + nullFolder + "/b.csv"}, columns: "v w a:int32", rows: []string{"0|x|1", "1|x|(null)"}},
		"hidden":           {files: []string{"a=1/_x/a.csv", "a=1/.y/b.csv", "a=2/c.csv", "_b/d.csv"}, columns: "v w a:int32", rows: []string{"2|x|2"}},
		"underscore":       {files: []string{"_a=1/a.csv"}, columns: "v w _a:int32", rows: []string{"0|x|1"}},
		"in the file too":  {files: []string{"v=7/a.csv"}, columns: "v:int32 w", rows: []string{"7|x"}},
		"and in capitals":  {files: []string{"V=7/a.csv"}, columns: "V:int32 w", rows: []string{"7|x"}},
		"glob above":       {files: []string{"s/day=1/a.csv", "s/day=2/b.csv"}, path: "*", columns: "v w day:int32", rows: []string{"0|x|1", "1|x|2"}},
		"glob of columns":  {files: []string{"day=1/a.csv", "day=2/b.csv"}, path: "day=*", columns: "v w", rows: []string{"0|x", "1|x"}},
		"glob of files":    {files: []string{"day=1/a.csv", "day=2/b.csv"}, path: "*/*.csv", columns: "v w", rows: []string{"0|x", "1|x"}},
		"within":           {files: []string{"day=1/h=2/a.csv"}, path: "day=1", columns: "v w h:int32", rows: []string{"0|x|2"}},
		"base":             {files: []string{"day=1/a.csv", "day=2/b.csv"}, path: "day=*/*.csv", base: ".", columns: "v w day:int32", rows: []string{"0|x|1", "1|x|2"}},
		"wrong base":       {files: []string{"day=1/a.csv"}, path: "day=*", base: "other", columns: "is not below"},
		"twice above":      {files: []string{"s/day=1/a.csv", "t/day=2/b.csv"}, columns: "folders of columns are in"},
		"other columns":    {files: []string{"day=1/a.csv", "month=2/b.csv"}, columns: "of columns day, those of"},
		"other depth":      {files: []string{"day=1/a.csv", "day=2/h=3/b.csv"}, columns: "of columns day, those of"},
		"beside":           {files: []string{"a.csv", "day=1/b.csv"}, columns: "is in no folder of column day"}, // Spark leaves the row out
		"twice":            {files: []string{"a=1/a=2/a.csv"}, columns: "two of its folders are of column a"},
		"no value":         {files: []string{"a=/a.csv"}, columns: "has no name, or no value"},
		"no name":          {files: []string{"=1/a.csv"}, columns: "has no name, or no value"},
		"no columns there": {files: []string{"a.csv", "s/b.csv"}, columns: "v w", rows: []string{"0|x", "1|x"}},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "run=5", "in")
			put(t, root, c.files...)
			o := ReadOptions{Options: map[string]string{"header": "true"}}
			if c.base != "" {
				o.Options["basepath"] = filepath.Join(root, c.base)
			}
			d, err := Open(t.Context(), CSV, filepath.Join(root, c.path), o)
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

// TestFoldersOfEveryFormat reads columns of folders beside those of files, alone,
// in another order, in small batches and as a recipe says.
func TestFoldersOfEveryFormat(t *testing.T) {
	for _, format := range Formats {
		t.Run(string(format), func(t *testing.T) {
			root := t.TempDir()
			put(t, root, "csv/a.csv", "csv/b.csv")
			for _, day := range []string{"2024-01-02", "2024-01-03"} {
				out := filepath.Join(root, "in", "day="+day)
				if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
					t.Fatal(err)
				}
				_, err := Convert(t.Context(), Conversion{From: CSV, In: filepath.Join(root, "csv"), To: format, Out: out, Staging: out + ".tmp",
					Read: ReadOptions{Options: map[string]string{"header": "true"}}})
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
					o := ReadOptions{Columns: strings.Split(columns, ","), BatchRows: 1, Memory: mem, BadRows: bad}
					d, err := Open(t.Context(), format, filepath.Join(root, "in"), o)
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
					made, err := recipe.Dataset(ReadOptions{Memory: mem})
					if err != nil {
						t.Fatal(err)
					}
					made.files = d.files
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
		schema, err := ParseSchema(ddl)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Open(t.Context(), CSV, root, ReadOptions{Schema: schema, Columns: []string{"a"}, Options: map[string]string{"header": "true"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := rowsIn(t, d); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v, want %s", ddl, got, want)
		}
	}
	schema, _ := ParseSchema("a date")
	d, err := Open(t.Context(), CSV, root, ReadOptions{Schema: schema, Options: map[string]string{"header": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Read(t.Context(), Split{Path: root + "/a=01/x.csv", Length: 100})
	var bad *Error
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "column a, from its folder") {
		t.Errorf("%v", err)
	}
}

// TestFolderText is how Spark 3.5.9 writes values into folders' names, in the time
// zone Europe/Berlin.
func TestFolderText(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ddl, json, want string }{
		{"x string", `"a b"`, "a b"},
		{"x string", `"x/y:z=%?*[]{}^'\"#\\\u0001\u007f\tä&+,;<>|~` + "`" + `@!$() "`, "x%2Fy%3Az%3D%25%3F%2A%5B%5D%7B}%5E%27%22%23%5C%01%7F%09ä&+,;<>|~`@!$() "},
		{"x string", `""`, nullFolder}, {"x string", `null`, nullFolder}, {"x string", `"."`, "."},
		{"x date", `"0001-01-01"`, "0001-01-01"}, {"x date", `null`, nullFolder},
		{"x timestamp", `"2024-01-01T23:00:00Z"`, "2024-01-02 00%3A00%3A00"}, {"x timestamp", `"2024-01-02T09:11:12.5Z"`, "2024-01-02 10%3A11%3A12.5"},
		{"x double", "1.5", "1.5"}, {"x double", "1e10", "1.0E10"}, {"x double", "0.00001", "1.0E-5"}, {"x double", "-0.0", "-0.0"},
		{"x double", "123456789.125", "1.23456789125E8"}, {"x double", "100", "100.0"}, {"x double", "0.001", "0.001"}, {"x double", "9999999", "9999999.0"},
		{"x float", "0.00001", "1.0E-5"},
		{"x boolean", "true", "true"}, {"x tinyint", "7", "7"}, {"x decimal(5,2)", `"12.50"`, "12.50"},
	} {
		schema, err := ParseSchema(c.ddl)
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := array.FromJSON(memory.DefaultAllocator, schema.Field(0).Type, strings.NewReader("["+c.json+"]"))
		if err != nil {
			t.Fatal(c, err)
		}
		if got := folderText(a, 0, zone); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.ddl, c.json, got, c.want)
		}
	}
	for v, want := range map[float64]string{math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", math.NaN(): "NaN"} {
		if got := javaFloat(v, 64); got != want {
			t.Errorf("%v: %q", v, got)
		}
	}
}

// TestPartitionedOutput reads back what was written, in every format, with more
// rows than a batch has, and shards; rows are there once.
func TestPartitionedOutput(t *testing.T) {
	for _, format := range Formats {
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
			done, err := Convert(t.Context(), Conversion{From: CSV, In: filepath.Join(root, "in.csv"), To: format, Out: out, Staging: out + ".tmp",
				Shards: 2, PartitionBy: []string{"k", "s"}, Read: ReadOptions{Memory: mem, Options: map[string]string{"header": "true"}}})
			if err != nil || done.Rows != 5000 || done.Files != 42 {
				t.Fatal(done, err)
			}
			d, err := Open(t.Context(), format, out, ReadOptions{Columns: []string{"id", "k", "s"}})
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

// TestFolderRules are Spark's settings.
func TestFolderRules(t *testing.T) {
	root := t.TempDir()
	put(t, root, "a=01/t=2024-01-02 10%3A11%3A12/x.csv")
	for rules, want := range map[FolderRules]string{
		{Zone: "Europe/Berlin"}: "1|2024-01-02 09:11:12",
		{Zone: "Asia/Tokyo"}:    "1|2024-01-02 01:11:12",
		{Text: true}:            "01|2024-01-02 10:11:12",
	} {
		d, err := Open(t.Context(), CSV, root, ReadOptions{Folders: rules, Columns: []string{"a", "t"}, Options: map[string]string{"header": "true"}})
		if err != nil {
			t.Fatal(err)
		}
		recipe, err := d.Recipe()
		if err != nil {
			t.Fatal(err)
		}
		made, err := recipe.Dataset(ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		made.files = d.files
		if got := rowsIn(t, made); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%+v: %v, want %s", rules, got, want)
		}
	}
	if _, err := Open(t.Context(), CSV, root, ReadOptions{Folders: FolderRules{Zone: "GMT+7"}}); err == nil || !strings.Contains(err.Error(), "Europe/Berlin") {
		t.Errorf("a zone that Go does not know: %v", err)
	}
}
