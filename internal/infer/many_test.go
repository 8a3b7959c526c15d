package infer

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/model"
)

// TestThousandSmallFiles: of 0, 1 and 2 rows; one load of the model, and a file
// of predictions for each.
func TestThousandSmallFiles(t *testing.T) {
	const count = 1000
	dir := t.TempDir()
	for i := range count {
		inputFile(t, dir, fmt.Sprintf("part-%04d.parquet", i), int64(2*i), i%3)
	}
	req := request(t)
	var err error
	if req.Input, req.Splits, err = (Input{Format: "parquet", Path: dir}).Plan(t.Context(), 2); err != nil || len(req.Splits) != count {
		t.Fatalf("%d splits, %v", len(req.Splits), err)
	}
	req.OutputMapping = map[string]string{"y": "twice"}
	loads := 0
	result, err := Run(t.Context(), &req, func(context.Context) (Model, error) {
		loads++
		return &doubler{bad: -1}, nil
	}, nil)
	if err != nil || loads != 1 || result.Rows != 999 || len(result.Splits) != count || len(left(t, req.Output)) != count {
		t.Fatalf("%d loads, %d rows, %d splits, %d files, %v", loads, result.Rows, len(result.Splits), len(left(t, req.Output)), err)
	}
	for _, i := range []int{1, 2, 997, 998} {
		if s := result.Splits[i]; s.ID != i || s.Input != filepath.Join(dir, fmt.Sprintf("part-%04d.parquet", i)) {
			t.Errorf("split %d is %+v", i, s)
		}
		checkSplit(t, req, result.Splits[i], int64(2*i), int64(i%3))
	}
}

func TestFloatingColumns(t *testing.T) {
	f32 := arrow.PrimitiveTypes.Float32
	schema := arrow.NewSchema([]arrow.Field{{Name: "kept", Type: f32}, {Name: "class", Type: arrow.PrimitiveTypes.Int64},
		{Name: "score", Type: f32}, {Name: "maps", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float64))}}, nil)
	bind := &model.Binding{Keep: []string{"kept"}, Outputs: []model.Output{{Column: "class"}, {Column: "score"}, {Column: "maps"}}}
	if have := strings.Join(floating(bind, schema), " "); have != "score maps" {
		t.Errorf("have %q", have)
	}
}
