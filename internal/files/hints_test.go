package files_test

import (
	"strings"
	"testing"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
	"tfos/internal/files/rowformat"
)

// A value unlike the sampled rows: the message has the declaration under which
// the value can be read, and that declaration works.
func TestGuessedTypesThatAreWrong(t *testing.T) {
	late := func(header, first, late string) string {
		return header + "\n" + strings.Repeat(first+"\n", rowformat.SampleRows) + late + "\n"
	}
	for _, c := range []struct {
		format             files.Format
		text, hint, column string
	}{
		{files.CSV, late("n", "1", "x"), "n string", "n"},
		{files.CSV, late("n", "1", "1.5"), "n double", "n"},
		{files.CSV, late("a b", "true", "maybe"), "`a b` string", "a b"},
		{files.JSON, strings.Repeat(`{"n":1}`+"\n", rowformat.SampleRows) + `{"n":1.5}` + "\n", "n double", "n"},
		{files.JSON, strings.Repeat(`{"n":1}`+"\n", rowformat.SampleRows) + `{"n":"x"}` + "\n", "n string", "n"},
	} {
		path := filestest.File(t, "a."+string(c.format), []byte(c.text))
		_, _, err := filestest.OpenRows(t, c.format, path, files.ReadOptions{})
		if err == nil || !strings.Contains(err.Error(), "declare the column (tfos convert --schema '"+c.hint+"')") {
			t.Errorf("%s: %v, want the declaration %q", c.hint, err, c.hint)
		}
		declared, err := files.ParseSchema(c.hint)
		if err != nil {
			t.Fatal(err)
		}
		if _, rows, err := filestest.OpenRows(t, c.format, path, files.ReadOptions{Schema: declared}); err != nil || len(rows) != rowformat.SampleRows+1 {
			t.Errorf("%s: %d rows, %v", c.hint, len(rows), err)
		}
		wrong, _ := files.ParseSchema("`" + c.column + "` boolean")
		if _, _, err := filestest.OpenRows(t, c.format, path, files.ReadOptions{Schema: wrong}); err == nil || strings.Contains(err.Error(), "sampled") {
			t.Errorf("%s, declared: %v", c.hint, err)
		}
	}
}

func TestJSONThatIsNotLines(t *testing.T) {
	for text, says := range map[string]string{
		`[{"a":1},{"a":2}]`:           "a JSON array",
		"[\n{\"a\":1},\n{\"a\":2}\n]": "jq -c '.[]'",
		"{\n \"a\": 1\n}\n":           "does not end on its line",
	} {
		for _, bad := range []bool{false, !strings.Contains(text, "}\n]")} { // its last line is a row
			filestest.WantError(t, files.JSON, filestest.File(t, "a.json", []byte(text+"\n")), files.ReadOptions{BadRows: bad}, 0, says, "JSON lines")
		}
	}
}

func TestTextOfOtherCharacters(t *testing.T) {
	filestest.WantError(t, files.CSV, filestest.File(t, "a.csv", []byte("a\ncaf\xe9\n")), files.ReadOptions{}, 2, "is not UTF-8", "iconv -f latin1")
	filestest.WantError(t, files.CSV, filestest.File(t, "a.csv", []byte("\xff\xfea\x00,\x00b\x00\n\x001\x00,\x002\x00")), files.ReadOptions{}, 0, "UTF-16", "iconv -f utf-16")
}

func TestNamesInMessages(t *testing.T) {
	_, _, err := filestest.OpenRows(t, files.CSV, filestest.File(t, "a.csv", []byte("a b,c\n1,2\n")), files.ReadOptions{Columns: []string{"x"}})
	if err == nil || !strings.Contains(err.Error(), `there are "a b", c`) {
		t.Error(err)
	}
}

// A file whose quotes are doubled, and whose backslashes would be escapes,
// causes a warning. With the suggested option the values are what pandas wrote.
func TestCSVThatLooksLikePandas(t *testing.T) {
	const pandas = "a,b\n1,\"say \"\"hi\"\"\"\n2,\"C:\\\\x, y\"\n"
	var warned []string
	o := files.ReadOptions{Warn: func(text string) { warned = append(warned, text) }}
	path := filestest.File(t, "a.csv", []byte(pandas))
	if _, _, err := filestest.OpenRows(t, files.CSV, path, o); err != nil || len(warned) != 1 || !strings.Contains(warned[0], path) || !strings.Contains(warned[0], "escape:") {
		t.Errorf("%q (%v)", warned, err)
	}
	o.Options, warned = map[string]string{"escape": "\""}, nil
	filestest.WantRows(t, files.CSV, path, o, "", `{"a":1,"b":"say \"hi\""}`, `{"a":2,"b":"C:\\\\x, y"}`)
	if _, _, err := filestest.OpenRows(t, files.CSV, filestest.File(t, "b.csv", []byte("a\n\"x \"\"y\"\"\"\n")), files.ReadOptions{Warn: o.Warn}); err != nil || len(warned) != 0 {
		t.Errorf("%q (%v)", warned, err)
	}
}

// A single column whose name contains another separator causes a warning.
func TestCSVThatLooksLikeAnotherSeparator(t *testing.T) {
	for header, warns := range map[string]bool{"a;b": true, "a\tb": true, "a|b": true, "a": false, "a;b,c": false} {
		var warned []string
		o := files.ReadOptions{Warn: func(text string) { warned = append(warned, text) }}
		if _, _, err := filestest.OpenRows(t, files.CSV, filestest.File(t, "a.csv", []byte(header+"\n1\n")), o); err != nil && warns {
			t.Errorf("%q: %v", header, err)
		}
		if warns != (len(warned) == 1 && strings.Contains(warned[0], "set the option sep")) {
			t.Errorf("%q: %q", header, warned)
		}
	}
}
