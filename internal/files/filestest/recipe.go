package filestest

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

// testRecipe: another process reads the same rows by the recipe.
func testRecipe(t *testing.T, k Kit) {
	path := filepath.Join(t.TempDir(), "a"+k.Ext)
	k.manyUnits(t, path, PlainColumn, 107)
	o := files.ReadOptions{Columns: []string{"value", "id"}, Options: k.options}
	if k.Format == files.CSV {
		o.Options = map[string]string{"sep": ","}
	}
	d, err := files.Open(t.Context(), k.Format, path, o)
	if err != nil {
		t.Fatal(err)
	}
	recipe, err := d.Recipe()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(recipe)
	if err != nil {
		t.Fatal(err)
	}
	var told files.Recipe
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	there, err := told.Dataset(files.ReadOptions{BatchRows: 7})
	if err != nil {
		t.Fatal(err)
	}
	splits, err := d.Splits(t.Context(), 500)
	if err != nil {
		t.Fatal(err)
	}
	if len(splits) < 3 {
		t.Errorf("%d splits", len(splits))
	}
	var got []arrow.Record
	for _, s := range splits {
		got = append(got, readAll(t, there, s)...)
	}
	if got[0].NumRows() > 7 {
		t.Errorf("a record of %d rows", got[0].NumRows())
	}
	direct := k.Must(t, path, 0, o)
	for c := range there.Schema().NumFields() {
		if !array.Equal(columnOf(t, got, c), columnOf(t, direct, c)) {
			t.Errorf("column %s differs", there.Schema().Field(c).Name)
		}
	}
	if _, err := (&files.Dataset{O: files.ReadOptions{Schema: RowsSchema(PlainColumn)}}).Recipe(); err == nil {
		t.Error("a recipe of a declared schema")
	}
}

// readAll returns the records of a split and releases them at the test's end.
func readAll(t *testing.T, d *files.Dataset, s files.Split) (records []arrow.Record) {
	t.Helper()
	r, err := d.Read(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(record.Release)
		records = append(records, record)
	}
}

// columnOf concatenates one column of records.
func columnOf(t *testing.T, records []arrow.Record, column int) arrow.Array {
	t.Helper()
	var parts []arrow.Array
	for _, r := range records {
		parts = append(parts, r.Column(column))
	}
	whole, err := array.Concatenate(parts, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(whole.Release)
	return whole
}
