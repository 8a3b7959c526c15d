package files

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// TestFolderTypes compares the values of folders with what Spark 3.5.9 infers
// in the time zone Europe/Berlin. scripts/tests/spark/test_paths_spark.py asks
// Spark itself.
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

// TestFolderDeclaredTypes reads values of folders as declared types, in the time
// zone Europe/Berlin. A value that the type does not hold is an error.
func TestFolderDeclaredTypes(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ddl, raw, want string }{
		{"x boolean", "true", "true"}, {"x boolean", "yes", ""}, {"x boolean", "2", ""},
		{"x tinyint", "127", "127"}, {"x tinyint", "128", ""}, {"x tinyint", "-129", ""}, {"x smallint", "32767", "32767"}, {"x smallint", "32768", ""},
		{"x int", "-2147483648", "-2147483648"}, {"x int", "2147483648", ""}, {"x int", "1e3", "1000"}, {"x int", "1.5", ""}, {"x int", "abc", ""},
		{"x bigint", "9223372036854775807", "9223372036854775807"}, {"x bigint", "9223372036854775808", ""},
		{"x decimal(2,0)", "99", "99"}, {"x decimal(2,0)", "100", ""}, {"x decimal(5,2)", "7", "7"}, {"x decimal(5,2)", "-1.005", "-1.01"}, {"x decimal(5,2)", "1.004999", "1"},
		{"x decimal(5,2)", "999.99", "999.99"}, {"x decimal(5,2)", "999.995", ""}, {"x decimal(5,2)", "1e2", "100"}, {"x decimal(5,2)", "1/2", ""}, {"x decimal(38,10)", "1e99", ""},
		{"x float", "1.5", "1.5"}, {"x float", "abc", ""}, {"x double", "abc", ""}, {"x string", "a%2Fb", "a/b"},
		{"x date", "2024-01-02", "2024-01-02"}, {"x date", "2024-13-01", ""},
		{"x timestamp", "2024-01-02", "2024-01-01 23:00:00"}, {"x timestamp", "2024-07-02 10%3A11%3A12", "2024-07-02 08:11:12"}, {"x timestamp", "noon", ""},
		{"x int", nullFolder, "(null)"}, {"x boolean", nullFolder, "(null)"},
	} {
		schema, err := ParseSchema(c.ddl)
		if err != nil {
			t.Fatal(err)
		}
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		a, err := folderArray(mem, c.raw, schema.Field(0).Type, zone)
		var got string
		if err == nil {
			got = a.ValueStr(0)
			if stamp, ok := a.(*array.Timestamp); ok && a.IsValid(0) {
				got = stamp.Value(0).ToTime(arrow.Microsecond).Format(time.DateTime)
			}
			a.Release()
		}
		if got != c.want {
			t.Errorf("%s: %q reads as %q, want %q; %v", c.ddl, c.raw, got, c.want, err)
		}
		mem.AssertSize(t, 0)
	}
}

// TestFolderTypesTogether: the type that Spark infers for two values in one
// column.
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

// TestFolderText: how Spark 3.5.9 writes values in folder names, in the time
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
		{"x timestamp", `"2024-01-01T23:00:00Z"`, "2024-01-02 00%3A00%3A00"}, {"x timestamp", `"2024-01-02T09:11:12.5Z"`, "2024-01-02 10%3A11%3A12.5"}, {"x timestamp_ntz", `"2024-01-02T09:11:12"`, "2024-01-02 09%3A11%3A12"},
		{"x double", "1.5", "1.5"}, {"x double", "1e10", "1.0E10"}, {"x double", "0.00001", "1.0E-5"}, {"x double", "-0.0", "-0.0"},
		{"x double", "123456789.125", "1.23456789125E8"}, {"x double", "100", "100.0"}, {"x double", "0.001", "0.001"}, {"x double", "9999999", "9999999.0"}, {"x double", "10000000", "1.0E7"}, {"x double", "0.0009", "9.0E-4"},
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
		if got := formatFolderValue(a, 0, zone); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.ddl, c.json, got, c.want)
		}
	}
	for v, want := range map[float64]string{math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", math.NaN(): "NaN"} {
		if got := formatJavaFloat(v, 64); got != want {
			t.Errorf("%v: %q", v, got)
		}
	}
}
