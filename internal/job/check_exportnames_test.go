package job

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExportNameWarnings: a name that the program may write, and may well not, is
// warned of; one that is refused is not.
func TestExportNameWarnings(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"one.txt", "many.a", "many.b", "many.c", "many.d", "taken.keras", "free2", "free_x.h5"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "job.yaml")
	if err := os.WriteFile(path, []byte(base(Train)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ set, want string }{
		{"export_dir=one", "one.txt beside it"},
		{"export_dir=many/", "many.a, many.b, many.c, … beside it"},
		{"export_dir=taken", ""},
		{"export_dir=free", ""},
		{"export_dir=nowhere/one", ""},
		{"model_dir=one", ""},
	} {
		s, err := Load(path, Train, []string{c.set})
		if err != nil {
			t.Fatal(err)
		}
		got := ExportNameWarnings(t.Context(), s)
		if len(got) != min(len(c.want), 1) || len(got) == 1 && (!strings.Contains(got[0].Error(), c.want) || got[0].Code != 0) {
			t.Errorf("%s: %v, want %q", c.set, got, c.want)
		}
		s.ExportIfExists = ifReplace
		if got := ExportNameWarnings(t.Context(), s); len(got) > 0 {
			t.Errorf("%s, replaced: %v", c.set, got)
		}
	}
}

// TestExportFormat: a training job demands a SavedModel where it says so, and
// then export_dir is no file.
func TestExportFormat(t *testing.T) {
	for _, c := range []struct {
		sets []string
		want string
	}{
		{[]string{"export_dir=e"}, "export"},
		{[]string{"export_dir=e", "export_format=any"}, "export"},
		{[]string{"export_dir=e", "export_format=saved_model"}, "saved_model"},
	} {
		plan, err := MakePlan(spec(t, Train, base(Train), c.sets...), testEnvironment)
		if err != nil || len(plan.Reserve.Outputs) != 1 || plan.Reserve.Outputs[0].Kind != c.want {
			t.Errorf("%v: %+v, %v; want %s", c.sets, plan.Reserve.Outputs, err, c.want)
		}
	}
}
