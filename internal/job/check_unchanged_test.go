package job

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/infer"
)

const echoModel = `meta_graphs {
  meta_info_def { tags: "serve" }
  signature_def {
    key: "serving_default"
    value {
      inputs { key: "x" value { name: "x:0" dtype: DT_INT64 tensor_shape { dim { size: -1 } } } }
      outputs { key: "y" value { name: "y:0" dtype: DT_INT64 tensor_shape { dim { size: -1 } } } }
    }
  }
}
`

// TestUnchanged has the launcher see, without Spark, that nothing is left to do.
func TestUnchanged(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("m/saved_model.pbtxt", echoModel)
	write("in/a.json", `{"x": 1}`+"\n")
	write("job.yaml", "export_dir: m\ninput: {path: in, format: json}\noutput: {path: out, if_exists: resume}\n")
	look := func(sets ...string) (string, bool, error) {
		t.Helper()
		s, err := Load(filepath.Join(dir, "job.yaml"), Infer, sets)
		if err != nil {
			t.Fatal(err)
		}
		p, err := MakePlan(s, Environment{RunID: "r1", Scratch: dir, Record: dir})
		if err != nil {
			t.Fatal(err)
		}
		return Unchanged(t.Context(), s, p)
	}
	want := func(unchanged bool, path string, err error, have bool) {
		t.Helper()
		if err != nil || have != unchanged {
			t.Errorf("unchanged: %v, want %v; %s %v", have, unchanged, path, err)
		}
	}
	path, have, err := look() // no output yet
	want(false, path, err, have)

	// The output as a run would have published it.
	s, err := Load(filepath.Join(dir, "job.yaml"), Infer, nil)
	if err != nil {
		t.Fatal(err)
	}
	request := infer.SplitsRequest{Computation: infer.Computation{Source: s.model(), Signature: s.SignatureDefKey}, Format: "parquet"}
	var splits []infer.Split
	if request.Input, splits, err = s.inferInput().Plan(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	id, err := infer.Identify(t.Context(), &request)
	if err != nil {
		t.Fatal(err)
	}
	part := infer.SplitResult{PartInfo: infer.PartInfo{Bytes: 4}, Input: splits[0].Path, Length: splits[0].Length, Output: "part-00000.parquet", Stamp: splits[0].Stamp}
	manifest, err := json.Marshal(map[string]any{"run": "r0", "made": id, "splits": []infer.SplitResult{part}})
	if err != nil {
		t.Fatal(err)
	}
	write("out/_manifest.json", string(manifest))
	write("out/_SUCCESS", "")
	write("out/part-00000.parquet", "PAR1")
	path, have, err = look()
	want(true, path, err, have)
	if path != filepath.Join(dir, "out") {
		t.Errorf("path %s", path)
	}
	path, have, err = look("output.if_exists=replace") // is not asked for
	want(false, path, err, have)
	path, have, err = look("spark.master=yarn") // who knows what is there
	want(false, path, err, have)
	if _, _, err = look("keep=[x]"); !errors.Is(err, ErrExists) || err.(Faults)[0].Code != exit.Output {
		t.Errorf("other settings: %v", err)
	}
	write(".out.tfos.resume/old/plan.json", "{}") // is for a run to delete
	path, have, err = look()
	want(false, path, err, have)
	if err := os.RemoveAll(filepath.Join(dir, ".out.tfos.resume")); err != nil {
		t.Fatal(err)
	}
	write("in/b.json", `{"x": 1}`+"\n")
	path, have, err = look()
	want(false, path, err, have)
}
