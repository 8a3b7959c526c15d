package infer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"

	"tfos/internal/exit"
	"tfos/internal/model"
)

func TestContract(t *testing.T) {
	table := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.BinaryTypes.String}, {Name: "pixels", Type: arrow.PrimitiveTypes.Int32},
		{Name: "day", Type: &arrow.MonthIntervalType{}}}, nil)
	ranked := func(sizes ...int64) *shapepb.TensorShapeProto {
		shape := &shapepb.TensorShapeProto{}
		for _, n := range sizes {
			shape.Dim = append(shape.Dim, &shapepb.TensorShapeProto_Dim{Size: n})
		}
		return shape
	}
	for name, c := range map[string]struct {
		shape *shapepb.TensorShapeProto // of the output
		in    map[string]string
		keep  []string
		want  string // the outputs as JSON, or of the error
		code  exit.Code
	}{
		"a value a row": {ranked(-1), map[string]string{"pixels": "x"}, nil, `[{"name":"y","type":"long"}]`, 0},
		"lists of lists": {ranked(-1, 2, -1), map[string]string{"pixels": "x"}, []string{"id"},
			`[{"name":"y","type":{"containsNull":true,"elementType":{"containsNull":true,"elementType":"long","type":"array"},"type":"array"}}]`, 0},
		"another column": {ranked(-1), map[string]string{"id": "x"}, nil, "cast the column to bigint", 6},
		"unknown rank":   {&shapepb.TensorShapeProto{UnknownRank: true}, map[string]string{"pixels": "x"}, nil, "the rank of output y is not known", 2},
		"no such alias":  {ranked(-1), map[string]string{"pixels": "z"}, nil, "z", 2},
	} {
		r := Computation{Source: model.Source{Model: doublerModel(t, c.shape)}, Signature: "serving_default", InputMapping: c.in, Keep: c.keep}
		got, err := r.Contract(table)
		if c.code != 0 {
			if err == nil || !strings.Contains(err.Error(), c.want) || ExitCode(err) != c.code {
				t.Errorf("%s: %v (exit %d), want %q (exit %d)", name, err, ExitCode(err), c.want, c.code)
			}
			if typed := r.Typed(); (typed != nil) != (c.code == 2) {
				t.Errorf("%s: without the table: %v", name, typed)
			}
			continue
		}
		outputs, _ := json.Marshal(got.Outputs)
		if err != nil || string(outputs) != c.want || strings.Join(got.Inputs, ",") != "pixels" || !strings.Contains(got.Table, "fits") || r.Typed() != nil {
			t.Errorf("%s: %+v, %s, %v, want %s", name, got, outputs, err, c.want)
		}
	}
}

// TestContractOfAQuarantine: a kept column that parquet cannot hold is found before
// there are bad rows.
func TestContractOfAQuarantine(t *testing.T) {
	table := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}, {Name: "day", Type: &arrow.MonthIntervalType{}},
		{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}}, {Name: "price", Type: &arrow.Decimal128Type{Precision: 10, Scale: 2}},
		{Name: "point", Type: arrow.StructOf(arrow.Field{Name: "a", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32), Nullable: true})},
		{Name: "tags", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Date32)}}, nil)
	for keep, want := range map[string]string{"day": "keep: column day cannot be in a quarantine file", "at": "", "price": "", "point": "", "tags": ""} {
		for _, way := range []BadRows{Skip, Quarantine} {
			r := Computation{Source: model.Source{Model: doublerModel(t, nil)}, Signature: "serving_default", Keep: []string{keep}, OnBadRow: way}
			_, err := r.Contract(table)
			if refused := want != "" && way == Quarantine; refused != (err != nil) || refused && (ExitCode(err) != 6 || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s, %s: %v, want %q", keep, way, err, want)
			}
		}
	}
}

// TestSparkTypes: every type that a tensor can become has one that Spark has.
func TestSparkTypes(t *testing.T) {
	for d := range model.DType(64) {
		column := model.ColumnType(d, false, 2)
		if column == nil {
			continue
		}
		text, err := json.Marshal(sparkType(column))
		if err != nil || strings.Contains(string(text), `""`) {
			t.Errorf("%s: %s", d, text)
		}
	}
}
