package infer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"tfos/internal/files"
	"tfos/internal/model"
)

// jsonRequest reads id and x from a JSON file with these rows.
func jsonRequest(t *testing.T, rows string) SplitsRequest {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.json")
	if err := os.WriteFile(path, []byte(rows), 0o644); err != nil {
		t.Fatal(err)
	}
	r := SplitsRequest{Computation: Computation{Source: model.Source{Model: doublerModel(t, nil)}, Signature: "serving_default", Keep: []string{"id"}, BatchSize: 8},
		Output: filepath.Join(t.TempDir(), "parts"), Format: files.Parquet}
	var err error
	if r.Input, r.Splits, err = (Input{Format: files.JSON, Path: path}).Plan(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestIdentity changes what parts depend on, one at a time.
func TestIdentity(t *testing.T) {
	const rows = `{"id": 1, "other": 2, "x": 3}` + "\n"
	identify := func(r SplitsRequest) Identity {
		t.Helper()
		id, err := Identify(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	base := identify(jsonRequest(t, rows))
	for _, test := range []struct {
		rows   string
		change func(*SplitsRequest)
		want   []string
	}{
		{rows, func(*SplitsRequest) {}, nil},
		{rows, func(r *SplitsRequest) { r.InputMapping = map[string]string{"x": "x"} }, nil},  // what is inferred
		{rows, func(r *SplitsRequest) { r.OutputMapping = map[string]string{"y": "y"} }, nil}, // and its name
		{rows, func(r *SplitsRequest) { r.BatchSize, r.Threads = 9, 3 }, nil},
		{`{"id": 1, "new": true, "x": 3}` + "\n", func(*SplitsRequest) {}, nil}, // a column that nobody uses
		{rows, func(r *SplitsRequest) { r.InputMapping = map[string]string{"other": "x"} }, []string{"input_mapping"}},
		{rows, func(r *SplitsRequest) { r.OutputMapping = map[string]string{"y": "twice"} }, []string{"output_mapping"}},
		{rows, func(r *SplitsRequest) { r.Keep = []string{"x"} }, []string{"keep"}},
		{rows, func(r *SplitsRequest) { r.Keep = nil }, []string{"keep"}},
		{`{"id": "a", "x": 3}` + "\n", func(*SplitsRequest) {}, []string{"the columns' types (x: int64, id: int64)"}},
		{rows, func(r *SplitsRequest) { r.Format = files.CSV }, []string{"output.format"}},
		{rows, func(r *SplitsRequest) { r.TagSet = []string{"serve"} }, []string{"tag_set"}},
		{rows, func(r *SplitsRequest) { r.Signature = "" }, []string{"signature_def_key"}},
		{rows, func(r *SplitsRequest) { r.Input.Options = map[string]string{"a": "b"} }, []string{"input.options"}},
		{rows, func(r *SplitsRequest) {
			if err := os.Mkdir(filepath.Join(r.Model, "assets"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(r.Model, "assets", "words"), []byte("new"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"the model"}},
	} {
		r := jsonRequest(t, test.rows)
		test.change(&r)
		if got := identify(r).Differences(base); !slices.Equal(got, test.want) {
			t.Errorf("%s %v: differs in %q, want %q", test.rows, r.Keep, got, test.want)
		}
	}
	r := jsonRequest(t, rows)
	r.Input.Format = files.TFRecord
	if got := identify(r).Differences(base); !slices.Equal(got, []string{"input.format"}) {
		t.Errorf("another input format: %q", got)
	}
	if base.Known() != true || (Identity{}).Known() {
		t.Error("no identity passes for one")
	}
}

// TestIdentityOfBinding: values of constants and binary columns change parts.
func TestIdentityOfBinding(t *testing.T) {
	bind := func(constant string, binary bool) Identity {
		return new(Computation).boundIdentity(&model.Binding{
			Constants: []model.Constant{{Tensor: model.Tensor{Alias: "keep_prob"}, Text: constant}},
			Outputs:   []model.Output{{Tensor: model.Tensor{Alias: "y", Type: model.String, Binary: binary}, Column: "y"}},
		})
	}
	base := bind("1", false)
	if got := bind("1", false).Differences(base); len(got) != 0 {
		t.Errorf("differs in %q", got)
	}
	if got := bind("0.5", true).Differences(base); !slices.Equal(got, []string{"constants", "binary_outputs"}) {
		t.Errorf("differs in %q", got)
	}
}

// TestIdentityHasEverything fails when a request gets a field of which nobody
// has said whether parts depend on it.
func TestIdentityHasEverything(t *testing.T) {
	in := []string{"Source", "Signature", "InputMapping", "OutputMapping", "Keep", "Format", "Input", "InputFormat", "Options", "Query", "PartitionBy", "Constants", "BinaryOutputs"}
	not := []string{"Computation", "BatchSize", "GrowBatch", "Threads", "Output", "Tag", "Aside", "Splits", "Records", "Run", "OnBadRow", "MaxBad", "InputRows", "AllowNarrowing", "PadLastBatch", "Warn"}
	have := map[string]bool{}
	for _, of := range []reflect.Type{reflect.TypeFor[Computation](), reflect.TypeFor[SplitsRequest](), reflect.TypeFor[PartitionsRequest]()} {
		for i := range of.NumField() {
			have[of.Field(i).Name] = true
		}
	}
	if want, have := slices.Sorted(slices.Values(append(in, not...))), slices.Sorted(maps.Keys(have)); !slices.Equal(have, want) {
		t.Errorf("fields %q, decided are %q: put a new one into Identity, or into the list of those that change no part", have, want)
	}
}

// TestRecords: each finished split has a record of what made it, and splits of a
// run that fails have none, or one that is true.
func TestRecords(t *testing.T) {
	r := jsonRequest(t, `{"id": 1, "x": 3}`+"\n")
	r.Records = filepath.Join(t.TempDir(), "done")
	for _, dir := range []string{r.Output, r.Records} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bad := &doubler{bad: 3}
	if _, err := Run(t.Context(), &r, bad.load, nil); err == nil || len(left(t, r.Records)) != 0 {
		t.Errorf("a failed split: %v, records %v", err, left(t, r.Records))
	}
	var bytes int64
	result, err := Run(t.Context(), &r, (&doubler{bad: -1}).load, func(_, _, b int64) { bytes = b })
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(r.Records, "part-00000.parquet.json"))
	if err != nil {
		t.Fatal(err)
	}
	var record Record
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	id, err := Identify(t.Context(), &r)
	if err != nil || !record.Identity.Equal(id) || !result.Made.Equal(id) {
		t.Errorf("identity %+v, result %+v, want %+v: %v", record.Identity, result.Made, id, err)
	}
	info, err := os.Stat(filepath.Join(r.Output, "part-00000.parquet"))
	if err != nil || record.Split.Bytes != info.Size() || !reflect.DeepEqual(record.Split, result.Splits[0]) {
		t.Errorf("split %+v, result %+v: %v", record.Split, result.Splits, err)
	}
	input, err := os.Stat(r.Splits[0].Path)
	if err != nil || record.Split.Size != input.Size() || !record.Split.Modified.Equal(input.ModTime()) {
		t.Errorf("stamp %+v, file %v: %v", record.Split.Stamp, input, err)
	}
	if !reflect.DeepEqual(record.Split.Split(), r.Splits[0]) || bytes != input.Size() {
		t.Errorf("split %+v, want %+v; %d bytes of progress", record.Split.Split(), r.Splits[0], bytes)
	}
}

// TestIdentityOfFolders: what all folders together make of a column is part of
// the identity, of formats too whose files have types of their own.
func TestIdentityOfFolders(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "rows.json"), []byte(`{"x": 3}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	schema, err := files.ParseSchema("x bigint")
	if err != nil {
		t.Fatal(err)
	}
	var made []Identity
	for _, folder := range []string{"id=1", "id=2", "id=b"} {
		_, err := files.Convert(t.Context(), files.Conversion{From: files.JSON, In: filepath.Join(root, "rows.json"), To: files.Parquet,
			Out: filepath.Join(root, "in", folder), Staging: filepath.Join(root, "in", "."+folder), Read: files.ReadOptions{Schema: schema}})
		if err != nil {
			t.Fatal(err)
		}
		r := SplitsRequest{Computation: Computation{Source: model.Source{Model: doublerModel(t, nil)}, Signature: "serving_default", Keep: []string{"id"}}, Format: files.Parquet}
		if r.Input, r.Splits, err = (Input{Format: files.Parquet, Path: filepath.Join(root, "in")}).Plan(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		id, err := Identify(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, id)
	}
	if other := made[1].Differences(made[0]); len(other) > 0 {
		t.Errorf("one number more: %v", other)
	}
	if other := made[2].Differences(made[1]); !slices.Equal(other, []string{"the columns' types (id: int32)"}) {
		t.Errorf("a text among numbers: %v", other)
	}
}
