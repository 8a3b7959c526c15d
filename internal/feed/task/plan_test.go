package task

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

func TestPack(t *testing.T) {
	const mb = 1 << 20
	var splits []files.Split
	for _, length := range []int64{60, 50, 10, 0, 200, 1, 1, 1} {
		splits = append(splits, files.Split{Length: length * mb})
	}
	var got []int
	for _, part := range pack(splits, 128*mb) {
		got = append(got, len(part))
	}
	if want := []int{3, 1, 1, 3}; !slices.Equal(got, want) {
		t.Errorf("%v splits a partition, want %v", got, want)
	}
}

// writeArrow makes a file of the record.
func writeArrow(t *testing.T, path string, record arrow.Record) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := files.NewWriter(files.Arrow, f, record.Schema(), files.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(record), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestPlan(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"flat/a.arrow", "flat/b.arrow", "tree/day=1/a.arrow", "k=v/a.arrow", "mixed/day=1/a.arrow", "mixed/b.arrow"} {
		writeArrow(t, filepath.Join(dir, name), testRecord(t))
	}
	words := array.NewDictionaryBuilder(memory.DefaultAllocator, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String})
	if err := words.AppendValueFromString("a"); err != nil {
		t.Fatal(err)
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "word", Type: words.Type()}}, nil)
	writeArrow(t, filepath.Join(dir, "words/a.arrow"), array.NewRecord(schema, []arrow.Array{words.NewArray()}, 1))

	for _, c := range []struct {
		in   Input
		want string // of the error; "": none
	}{
		{Input{Path: "flat"}, ""},
		{Input{Path: "flat", Columns: []string{"n", "ok"}}, ""},
		{Input{Path: "k=v"}, ""}, // above the input there are no columns
		{Input{Path: "tree"}, ""},
		{Input{Path: "tree", Columns: []string{"day", "n"}}, ""},
		{Input{Path: "mixed"}, "is in no folder of column day"},
		{Input{Path: "words"}, ""}, // the reader decodes dictionaries
		{Input{Path: "flat", Columns: []string{"m"}}, `no column "m"`},
		{Input{Path: "none"}, "no such file"},
		{Input{Path: "flat", Options: map[string]string{"a": "b"}}, `unknown option "a"`},
	} {
		c.in.Format, c.in.Path, c.in.Slots = files.Arrow, filepath.Join(dir, c.in.Path), 1
		got, err := Plan(t.Context(), c.in)
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v: error %v, want %q", c.in, err, c.want)
		case c.want == "" && len(got.Partitions) != 1:
			t.Errorf("%v: %d partitions", c.in, len(got.Partitions))
		}
	}
	// Two files and two slots: one for each.
	got, err := Plan(t.Context(), Input{Format: files.Arrow, Path: filepath.Join(dir, "flat"), Slots: 2})
	if err != nil || len(got.Partitions) != 2 {
		t.Errorf("%d partitions, %v", len(got.Partitions), err)
	}
}
