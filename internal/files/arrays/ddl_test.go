package arrays_test

import (
	"strings"
	"testing"

	"tfos/internal/files"
)

func TestParseSchema(t *testing.T) {
	for ddl, want := range map[string]string{
		"image array<float>, label bigint":                                "image: list<item: float32, nullable>, nullable; label: int64, nullable",
		"a INT NOT NULL COMMENT 'it''s, one', `b ``c`` d`\n\tString":      "a: int32; b `c` d: utf8, nullable",
		"s struct<x: double, y:array<tinyint>>":                           "s: struct<x: float64, y: list<item: int8, nullable>>, nullable",
		"m map<string,array<array<binary>>>":                              "m: map<utf8, list<item: list<item: binary, nullable>, nullable>, items_nullable>, nullable",
		"d decimal(12, 3), e decimal, f dec(5)":                           "d: decimal(12, 3), nullable; e: decimal(10, 0), nullable; f: decimal(5, 0), nullable",
		"t timestamp, u timestamp_ntz, v date, w varchar(300), x boolean": "t: timestamp[us, tz=UTC], nullable; u: timestamp[us], nullable; v: date32, nullable; w: utf8, nullable; x: bool, nullable",
	} {
		s, err := files.ParseSchema(ddl)
		if err != nil {
			t.Errorf("%s: %v", ddl, err)
			continue
		}
		var have []string
		for _, f := range s.Fields() {
			text := f.Name + ": " + f.Type.String()
			if f.Nullable {
				text += ", nullable"
			}
			have = append(have, text)
		}
		if got := strings.Join(have, "; "); got != want {
			t.Errorf("%s:\n%s, want\n%s", ddl, got, want)
		}
	}
	for ddl, says := range map[string]string{
		"":                     "its end where a column's name should be",
		"a":                    "column a: its end where a type",
		"a int,":               "a column's name",
		"a int b int":          `"b int" where a comma`,
		"a array<int":          "its end where >",
		"a array int":          "array<type>",
		"a uint8":              `"uint8" where a type of Spark's`,
		"a int, a int":         `two columns "a"`,
		"`a int":               "closing `",
		"a decimal(39,1)":      "precision",
		"a decimal(x)":         "a number",
		"a map<int>":           "a comma",
		"a struct<x int y int": "a comma",
		"a int comment 3":      "a comment in quotes",
	} {
		if s, err := files.ParseSchema(ddl); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v, want %q", ddl, s, err, says)
		}
	}
}
