package parquet_test

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet/file"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
)

// Only the distinct columns have no dictionary, also if they are nested.
func TestDistinctColumnsHaveNoDictionary(t *testing.T) {
	f32 := arrow.PrimitiveTypes.Float32
	schema := filestest.SchemaOf(filestest.Nullable("id", arrow.PrimitiveTypes.Int64), filestest.Nullable("score", f32), filestest.Nullable("scores", arrow.ListOf(f32)),
		filestest.Nullable("given", arrow.ListOf(f32)), filestest.Nullable("maps", arrow.ListOf(arrow.ListOf(f32))), filestest.Nullable("a.b", f32))
	out := filestest.MustWrite(t, files.Parquet, schema, files.WriteOptions{Distinct: []string{"score", "scores", "maps", "a.b"}},
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
