package job

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"tfos/internal/exit"
)

// TestContract: what the model does not have is the job's fault, what does not fit it the data's.
func TestContract(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{
		"m/saved_model.pbtxt": echoModel,
		"rows/a.json":         `{"x": 1, "lists": [[1]], "text": "a"}` + "\n",
		"none/x":              "", "damaged.parquet": "PAR1",
		"job.yaml": "export_dir: m\ninput: {path: rows, format: json}\noutput: {path: out}\n",
	})
	for _, c := range []struct {
		sets  []string
		want  string // of the fault; "": none
		code  exit.Code
		lines int
	}{
		{nil, "", 0, 1},
		{[]string{"keep=[text]"}, "", 0, 2},
		{[]string{"spark.master=yarn"}, "", 0, 0}, // whose files are not here
		{[]string{"export_dir=none"}, "export_dir: %/none: ", 2, 0},
		{[]string{"export_dir=''", "model_dir=none"}, "model_dir: %/none: ", 2, 0},
		{[]string{"signature_def_key=predict"}, `export_dir: %/m: there is no signature "predict"`, 2, 0},
		{[]string{"constants={x: [true]}"}, "constants.x: [true]: the tensor is int64 [-1]", 2, 0},
		{[]string{"constants={z: 1}"}, "constants.z: 1: ", 2, 0},
		{[]string{"input_mapping={gone: x}"}, "input x: there is no column gone (columns there: x, lists, text)", 6, 0},
		{[]string{"input.path=damaged.parquet", "input.format=parquet"}, "damaged.parquet", 6, 0},
		{[]string{"input.path=none", "input.format=parquet"}, "input.path: %/none: ", 6, 0},
		{[]string{"keep=[lists]", "output.format=tfrecord"}, "output.format: tfrecord: ", 2, 2},
		{[]string{"read_by=spark", "input_mapping={gone: x}"}, "", 0, 0}, // the driver sees it
	} {
		s, err := Load(filepath.Join(dir, "job.yaml"), Infer, c.sets)
		if err != nil {
			t.Fatalf("%v: %v", c.sets, err)
		}
		lines, err := Contract(t.Context(), s, func(string) {})
		var faults Faults
		text := ""
		if errors.As(err, &faults) {
			text = strings.ReplaceAll(faults.Error(), dir, "%")
		}
		if faults.Code() != c.code || (err == nil) != (c.want == "") || !strings.Contains(text, c.want) || len(lines) != c.lines {
			t.Errorf("%v: code %d, %d lines, %s\nwant %d, %d, %q", c.sets, faults.Code(), len(lines), text, c.code, c.lines, c.want)
		}
	}
	s, err := Load(filepath.Join(dir, "job.yaml"), Infer, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if lines, err := Contract(ctx, s, func(string) {}); !errors.Is(err, context.Canceled) || lines != nil {
		t.Errorf("%v, %v", lines, err)
	}
}
