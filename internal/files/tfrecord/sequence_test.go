package tfrecord_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	examplepb "github.com/wamuir/graft/tensorflow/core/example/example_protos_go_proto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"tfos/internal/files"
	"tfos/internal/files/filestest"
	"tfos/internal/files/rowformat"
)

type featureLists map[string][]*examplepb.Feature

// sequence encodes a SequenceExample with protobuf's own library.
func sequence(t testing.TB, context filestest.Features, lists featureLists) []byte {
	t.Helper()
	m := &examplepb.SequenceExample{Context: &examplepb.Features{Feature: context}, FeatureLists: &examplepb.FeatureLists{FeatureList: map[string]*examplepb.FeatureList{}}}
	for name, steps := range lists {
		m.FeatureLists.FeatureList[name] = &examplepb.FeatureList{Feature: steps}
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func steps(s ...*examplepb.Feature) []*examplepb.Feature { return s }

func sequenceFile(t testing.TB) string {
	return filestest.File(t, "a.tfrecord", filestest.Framed(t,
		sequence(t, filestest.Features{"id": filestest.IntFeature(1), "w": filestest.FloatFeature(1, 2)}, featureLists{
			"tokens": steps(filestest.IntFeature(7), filestest.IntFeature(8)), "frames": steps(filestest.FloatFeature(1, 2), filestest.FloatFeature(), filestest.FloatFeature(3)), "none": nil}),
		sequence(t, filestest.Features{"id": filestest.IntFeature(2)}, featureLists{"tokens": nil, "frames": steps(&examplepb.Feature{}), "tags": steps(filestest.BytesFeature("a", "b"))}),
	))
}

func TestSequenceExamples(t *testing.T) {
	const schema = "frames:list<list<float32, nullable>, nullable> id:int64 tags:list<list<utf8, nullable>, nullable> tokens:list<list<int64, nullable>, nullable> w:list<float32, nullable>"
	rows := []string{
		`{"frames":[[1.0,2.0],[],[3.0]],"id":1,"tags":null,"tokens":[[7],[8]],"w":[1.0,2.0]}`,
		`{"frames":[[]],"id":2,"tags":[["a","b"]],"tokens":[],"w":null}`,
	}
	for _, o := range []files.ReadOptions{{}, filestest.WithOptions("recordType", "SequenceExample")} {
		filestest.WantRows(t, files.TFRecord, sequenceFile(t), o, schema, rows...)
	}
	filestest.WantError(t, files.TFRecord, sequenceFile(t), filestest.WithOptions("recordType", "Example"), 0, "feature_lists", "recordType: SequenceExample", "row 0")
	filestest.WantRows(t, files.TFRecord, sequenceFile(t), files.ReadOptions{Columns: []string{"tokens", "w"}, Schema: filestest.SchemaOf(
		filestest.Nullable("tokens", arrow.ListOf(arrow.PrimitiveTypes.Int32)))}, "",
		`{"tokens":[7,8],"w":[1.0,2.0]}`, `{"tokens":[],"w":null}`)
}

// A SequenceExample after the sample, or in the wrong part, is never dropped.
func TestSequenceExamplesThatDoNotFit(t *testing.T) {
	example := filestest.Framed(t, filestest.Encoded(t, filestest.Features{"i": filestest.IntFeature(1)}))
	late := filestest.File(t, "a.tfrecord", append([]byte(strings.Repeat(string(example), rowformat.SampleRows)),
		filestest.Framed(t, sequence(t, filestest.Features{"i": filestest.IntFeature(1)}, featureLists{"late": steps(filestest.IntFeature(1))}))...))
	filestest.WantError(t, files.TFRecord, late, files.ReadOptions{}, int64(rowformat.SampleRows*len(example)), `feature "late" is in no sampled row: declare`)
	for _, c := range []struct {
		name  string
		lists featureLists
		t     arrow.DataType
		says  string
	}{
		{"scalar", featureLists{"x": steps(filestest.IntFeature(1))}, arrow.PrimitiveTypes.Int64, "is in feature_lists and cannot be read as int64"},
		{"two values in a step", featureLists{"x": steps(filestest.IntFeature(1), filestest.IntFeature(1, 2))}, arrow.ListOf(arrow.PrimitiveTypes.Int64), "step 1: "},
		{"no value in a step", featureLists{"x": steps(filestest.IntFeature(1), &examplepb.Feature{})}, arrow.ListOf(arrow.PrimitiveTypes.Int64), "has 0 values in a step"},
		{"another kind in a step", featureLists{"x": steps(filestest.FloatFeature(1))}, arrow.ListOf(arrow.PrimitiveTypes.Int64), "has a float_list and cannot be read as"},
		{"fewer steps", featureLists{"x": steps(filestest.IntFeature(1))}, arrow.FixedSizeListOf(2, arrow.ListOf(arrow.PrimitiveTypes.Int64)), "has 1 steps and its column 2"},
		{"more steps", featureLists{"x": steps(filestest.IntFeature(1), filestest.IntFeature(2), filestest.IntFeature(3))}, arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int64), "has 3 steps and its column 2"},
		{"another kind", featureLists{"x": steps(filestest.FloatFeature(1))}, arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)), "is a float_list"},
		{"in both parts", featureLists{"i": steps(filestest.IntFeature(1))}, arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)), "is in the context and in feature_lists"},
		{"in the context", nil, arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)), "is in the context and cannot be read as"},
	} {
		name := "x"
		if c.lists == nil || c.lists["i"] != nil {
			name = "i"
		}
		path := filestest.File(t, "a.tfrecord", filestest.Framed(t, sequence(t, filestest.Features{"i": filestest.IntFeature(1)}, c.lists)))
		t.Run(c.name, func(t *testing.T) {
			filestest.WantError(t, files.TFRecord, path, files.ReadOptions{Schema: filestest.SchemaOf(filestest.Nullable(name, c.t))}, 0, c.says, "row 0")
		})
	}
	deep := filestest.SchemaOf(filestest.Nullable("i", arrow.ListOf(arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)))))
	if _, _, err := filestest.OpenRows(t, files.TFRecord, late, files.ReadOptions{Schema: deep}); !errors.Is(err, files.ErrType) {
		t.Errorf("lists of lists of lists: %v", err)
	}
	kinds := filestest.File(t, "a.tfrecord", filestest.Framed(t, sequence(t, nil, featureLists{"x": steps(filestest.IntFeature(1), &examplepb.Feature{}, filestest.FloatFeature(1))})))
	filestest.WantError(t, files.TFRecord, kinds, files.ReadOptions{}, 0, "steps of a int64_list and of a float_list")
	mixed := filestest.File(t, "a.tfrecord", filestest.Framed(t, sequence(t, nil, featureLists{"x": steps(filestest.IntFeature(1))}), filestest.Encoded(t, filestest.Features{"x": filestest.IntFeature(1)})))
	filestest.WantError(t, files.TFRecord, mixed, files.ReadOptions{}, int64(len(filestest.Framed(t, sequence(t, nil, featureLists{"x": steps(filestest.IntFeature(1))})))), `feature "x": in the context here, in the feature_lists of a record before; declare`)
}

// protobuf's library reads what was written as a SequenceExample, and reading
// returns the same rows.
func TestSequenceExamplesWritten(t *testing.T) {
	schema := filestest.SchemaOf(filestest.Nullable("id", arrow.PrimitiveTypes.Int64), filestest.Nullable("tokens", arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64))), filestest.Nullable("w", arrow.ListOf(arrow.PrimitiveTypes.Float32)))
	rows := `[{"id":1,"tokens":[[7],[8,9],[]],"w":[0.5]},{"id":2,"tokens":[],"w":null},{"id":3,"tokens":null,"w":[]}]`
	o := files.WriteOptions{Options: map[string]string{"recordType": "SequenceExample"}}
	records := examplesOf(t, filestest.MustWrite(t, files.TFRecord, schema, o, rows))
	want := []*examplepb.SequenceExample{
		{Context: &examplepb.Features{Feature: filestest.Features{"id": filestest.IntFeature(1), "w": filestest.FloatFeature(0.5)}}, FeatureLists: &examplepb.FeatureLists{FeatureList: map[string]*examplepb.FeatureList{"tokens": {Feature: steps(filestest.IntFeature(7), filestest.IntFeature(8, 9), filestest.IntFeature())}}}},
		{Context: &examplepb.Features{Feature: filestest.Features{"id": filestest.IntFeature(2)}}, FeatureLists: &examplepb.FeatureLists{FeatureList: map[string]*examplepb.FeatureList{"tokens": {}}}},
		{Context: &examplepb.Features{Feature: filestest.Features{"id": filestest.IntFeature(3), "w": filestest.FloatFeature()}}},
	}
	for i, record := range records {
		var got examplepb.SequenceExample
		if err := proto.Unmarshal(record, &got); err != nil || !proto.Equal(&got, want[i]) {
			t.Errorf("row %d: %v (%v), want %v", i, &got, err, want[i])
		}
	}
	filestest.WantRows(t, files.TFRecord, filestest.File(t, "a.tfrecord", filestest.Framed(t, records...)), files.ReadOptions{}, "",
		`{"id":1,"tokens":[[7],[8,9],[]],"w":[0.5]}`, `{"id":2,"tokens":[],"w":null}`, `{"id":3,"tokens":null,"w":[]}`)
	if _, err := files.NewWriter(files.TFRecord, nil, schema, files.WriteOptions{}); err == nil || !strings.Contains(err.Error(), "recordType: SequenceExample") {
		t.Errorf("lists of lists in a tf.Example: %v", err)
	}
	for row, says := range map[string]string{`{"id":1,"tokens":[[7],null]}`: "a tf.SequenceExample cannot hold", `{"id":1,"tokens":[[7,null]]}`: "a null in a list"} {
		if _, err := filestest.Written(files.TFRecord, schema, o, "["+row+"]"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", row, err)
		}
	}
}

// Records of other messages are an error that says so, and add no columns.
// Unknown fields beside a feature come from later versions.
func TestRecordsOfOtherMessages(t *testing.T) {
	number := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 3)
	for name, record := range map[string][]byte{
		"text":            []byte("hello, this is plain text"),
		"JSON":            []byte(`{"a": 1}`),
		"a JPEG":          []byte("\xff\xd8\xff\xe0\x00\x10JFIF"),
		"numbers":         joined(number, field(3, []byte("x"))),
		"other fields":    field(3, []byte("abc")),
		"nested messages": field(1, field(1, field(1, []byte("abc")))),
		"a string":        field(1, []byte("a text")),
	} {
		t.Run(name, func(t *testing.T) {
			filestest.WantError(t, files.TFRecord, filestest.File(t, "a.tfrecord", filestest.Framed(t, record)), files.ReadOptions{}, 0,
				"neither a tf.Example nor a tf.SequenceExample", "recordType: ByteArray")
		})
	}
	later := joined(filestest.Encoded(t, filestest.Features{"i": filestest.IntFeature(1)}), field(9, []byte("?")))
	filestest.WantRows(t, files.TFRecord, filestest.File(t, "a.tfrecord", filestest.Framed(t, later, nil)), files.ReadOptions{}, "i:int64", `{"i":1}`, `{"i":null}`)
	if _, _, err := filestest.OpenRows(t, files.TFRecord, filestest.File(t, "a.tfrecord", filestest.Framed(t, later)), filestest.WithOptions("recordType", "Other")); err == nil || !strings.Contains(err.Error(), `recordType: "Other"`) {
		t.Errorf("an unknown record type: %v", err)
	}
}
