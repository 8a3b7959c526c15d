package files

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet/file"
)

// TestDistinctColumnsHaveNoDictionary: they and no others, whatever their nesting.
func TestDistinctColumnsHaveNoDictionary(t *testing.T) {
	f32 := arrow.PrimitiveTypes.Float32
	schema := schemaOf(nullable("id", arrow.PrimitiveTypes.Int64), nullable("score", f32), nullable("scores", arrow.ListOf(f32)),
		nullable("given", arrow.ListOf(f32)), nullable("maps", arrow.ListOf(arrow.ListOf(f32))), nullable("a.b", f32))
	out := mustWrite(t, Parquet, schema, WriteOptions{Distinct: []string{"score", "scores", "maps", "a.b"}},
		`[{"id":1,"score":1.5,"scores":[1,2],"given":[3],"maps":[[4],[5]],"a.b":6}]`)
	r, err := file.NewParquetReader(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, want := range []bool{true, false, false, true, false, false} {
		column, err := r.MetaData().RowGroup(0).ColumnChunk(i)
		if err != nil {
			t.Fatal(err)
		}
		if column.HasDictionaryPage() != want {
			t.Errorf("column %s: dictionary %v", column.PathInSchema(), column.HasDictionaryPage())
		}
	}
}
