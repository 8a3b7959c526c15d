package engine

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/model"
)

// vectorType is Spark ML's VectorUDT, as in parquet files and in Spark's Arrow data.
var vectorType = arrow.StructOf(
	arrow.Field{Name: "type", Type: arrow.PrimitiveTypes.Int8},
	arrow.Field{Name: "size", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	arrow.Field{Name: "indices", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
	arrow.Field{Name: "values", Type: arrow.ListOf(arrow.PrimitiveTypes.Float64), Nullable: true},
)

const (
	denseRow  = `{"type":1,"size":null,"indices":null,"values":[1.5,0,2]}`
	sparseRow = `{"type":0,"size":3,"indices":[2],"values":[4]}`
)

func TestVectors(t *testing.T) {
	for name, in := range map[string]model.Input{
		"known": input(model.Float64, -1, 3), "free": input(model.Float64, -1, -1), "no rank": anyRank(model.Float64),
	} {
		t.Run(name, func(t *testing.T) {
			tensor, err := toTensor(column(t, allocator(t), vectorType, "["+denseRow+","+sparseRow+"]"), in)
			if err != nil {
				t.Fatal(err)
			}
			defer tensor.free()
			want := [][]float64{{1.5, 0, 2}, {0, 0, 4}}
			if have := nested(t, tensor); !reflect.DeepEqual(have, want) {
				t.Errorf("have %v, want %v", have, want)
			}
		})
	}
}

func TestVectorsThatDoNotFit(t *testing.T) {
	for row, says := range map[string]string{
		"null": "it is null",
		`{"type":0,"size":4,"indices":[2],"values":[4]}`:       "its list holds 4 values",
		`{"type":0,"size":3,"indices":[3],"values":[4]}`:       "an index is beyond its size",
		`{"type":0,"size":3,"indices":[-1],"values":[4]}`:      "an index is beyond its size",
		`{"type":0,"size":3,"indices":[1,2],"values":[4]}`:     "do not fit together",
		`{"type":0,"size":-3,"indices":[],"values":[]}`:        "do not fit together",
		`{"type":2,"size":3,"indices":[1],"values":[4]}`:       "neither dense nor sparse",
		`{"type":1,"size":null,"indices":null,"values":[1,2]}`: "its list holds 2 values",
	} {
		_, err := toTensor(column(t, allocator(t), vectorType, "["+denseRow+","+row+"]"), input(model.Float64, -1, 3))
		var bad *model.RowError
		if !errors.As(err, &bad) || bad.Row != 1 || !strings.Contains(bad.Reason, says) {
			t.Errorf("%s: %v, want row 1: %q", row, err, says)
		}
	}
}

func TestVectorsFitDoubles(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: vectorType, Nullable: true}}, nil)
	for d, fits := range map[model.DType]bool{model.Float64: true, model.Int64: false, model.String: false} {
		in := input(d, -1, 3)
		in.Tensor.Alias = "x"
		_, err := model.Check(&model.Signature{Inputs: []model.Tensor{in.Tensor}, Outputs: []model.Tensor{in.Tensor}}, schema,
			model.Mapping{Inputs: map[string]string{"x": "x"}, Outputs: map[string]string{"x": "y"}})
		if (err == nil) != fits {
			t.Errorf("%v: %v", d, err)
		}
	}
	other := arrow.StructOf(arrow.Field{Name: "type", Type: arrow.PrimitiveTypes.Int8}, arrow.Field{Name: "values", Type: arrow.ListOf(arrow.PrimitiveTypes.Float64)})
	if model.IsVector(other) || !model.IsVector(vectorType) {
		t.Error("other structs are no vectors")
	}
}
