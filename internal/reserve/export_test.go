package reserve

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestExports: whatever a program has written to export_dir, and beside it under
// its name, gets its name or stays where the message says.
func TestExports(t *testing.T) {
	tests := []struct {
		name    string
		written []string // after the staging name
		there   string   // after the final name, before
		replace bool
		want    []Artifact // paths after the final name
		says    string
	}{
		{"a SavedModel", []string{"/saved_model.pb"}, "", false, []Artifact{{"saved_model", ""}}, ""},
		{"weights", []string{"/x.weights.h5"}, "", false, []Artifact{{"export", ""}}, ""},
		{"a file at the path", []string{""}, "", false, []Artifact{{"export", ""}}, ""},
		{"a Keras file beside it", []string{".keras"}, "", false, []Artifact{{"export", ".keras"}}, ""},
		{"both", []string{"/saved_model.pb", ".keras"}, "", false, []Artifact{{"saved_model", ""}, {"export", ".keras"}}, ""},
		{"a Keras file replaced", []string{".keras"}, ".keras", true, []Artifact{{"export", ".keras"}}, ""},
		{"a Keras file that exists", []string{".keras", "/saved_model.pb"}, ".keras", false, nil, "final.keras exists already"},
		{"a folder beside it is not replaced", []string{"_data/x"}, "_data/mine", true, nil, "final_data exists already"},
		{"nothing", nil, "", false, nil, "the program has written nothing there"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			o := OutputConfig{Kind: KindExport, Staging: root + "/tfos-r1.final", Final: root + "/final", Replace: test.replace}
			cfg := Config{Run: "r1", Outputs: []OutputConfig{o}}
			stage(t, root+"/tfos-r10.final/another_run")
			for _, name := range test.written {
				stage(t, o.Staging+name)
			}
			if test.there != "" {
				stage(t, o.Final+test.there)
			}
			got, err := commit(t.Context(), cfg, nil, nil)
			if test.says == "" {
				for i := range test.want {
					test.want[i].Path = o.Final + test.want[i].Path
				}
				if left, _ := filepath.Glob(o.Staging + "*"); err != nil || !slices.Equal(got, test.want) || len(left) > 0 {
					t.Fatalf("%v, want %v; %v; left %v", got, test.want, err, left)
				}
				for _, name := range test.written {
					if !exists(o.Final + name) {
						t.Errorf("%s was not published", name)
					}
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || len(got) > 0 {
				t.Fatalf("%v, %v", got, err)
			}
			rest, err := keepExports(t.Context(), cfg, err)
			if said := strings.Contains(err.Error(), "move "+o.Staging); said != (len(test.written) > 0) {
				t.Errorf("%v", err)
			}
			if err := discard(t.Context(), rest); err != nil {
				t.Fatal(err)
			}
			for _, name := range test.written {
				if !exists(o.Staging + name) {
					t.Errorf("%s was deleted", name)
				}
			}
			if err := discard(t.Context(), cfg); err != nil || !exists(root+"/tfos-r10.final/another_run") {
				t.Errorf("discard: %v", err)
			}
		})
	}
}

func TestExportInAFolderWithAPatternsName(t *testing.T) {
	root := t.TempDir() + "/run[1]{a,b}*"
	o := OutputConfig{Kind: KindExport, Staging: root + "/tfos-r1.f", Final: root + "/f"}
	stage(t, o.Staging+"/saved_model.pb")
	got, err := commit(t.Context(), Config{Run: "r1", Outputs: []OutputConfig{o}}, nil, nil)
	if err != nil || !slices.Equal(got, []Artifact{{"saved_model", o.Final}}) || !exists(o.Final+"/saved_model.pb") {
		t.Errorf("%v, %v", got, err)
	}
}
