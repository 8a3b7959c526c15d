package job

import (
	"context"
	"strings"
	"testing"
)

// A format that is not given is the files'; what does not tell is asked for.
func TestTellFormats(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{
		"rows":         `{"a": 1}` + "\n",
		"in/a.csv":     "a\n1\n",
		"in/b.csv":     "a\n2\n",
		"unknown":      "a;b\n1;2\n",
		"mixed/a.csv":  "a\n1\n",
		"mixed/b.json": `{"a":1}` + "\n",
	})
	for _, c := range []struct{ sets, format, says string }{
		{"input.path=" + dir + "/in", "csv", ""},
		{"input.path=" + dir + "/in/*.csv", "csv", ""},
		{"input.path=" + dir + "/rows", "json", ""},
		{"input.path=" + dir + "/rows input.format=csv", "csv", ""},
		{"input.path=" + dir + "/unknown", "", "input.format"},
		{"input.path=" + dir + "/mixed", "", "a.csv (csv)"},
		{"input.path=hdfs://host/in/part-*.json", "json", ""},
		{"input.path=hdfs://host/in", "parquet", ""},
	} {
		s, err := FromFlags(Infer, dir, nil, append([]string{"export_dir=" + t.TempDir(), "output.path=" + t.TempDir() + "/out", "spark.master=local[2]"}, strings.Fields(c.sets)...))
		if err != nil {
			t.Fatalf("%s: %v", c.sets, err)
		}
		err = TellFormats(context.Background(), s)
		switch {
		case c.says == "" && (err != nil || s.Input.Format != c.format):
			t.Errorf("%s: %q (%v), want %q", c.sets, s.Input.Format, err, c.format)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: error %v does not say %q", c.sets, err, c.says)
		}
	}
}
