package work

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/reserve"
)

// TestExports: whatever a program has written to export_dir, and beside it under
// its name, gets its name or stays where the message says.
func TestExports(t *testing.T) {
	tests := []struct {
		name    string
		written []string // after the staging name
		there   string   // after the final name, before
		replace bool
		want    []reserve.Artifact // paths after the final name
		says    string
	}{
		{"a SavedModel", []string{"/saved_model.pb"}, "", false, []reserve.Artifact{{Kind: "saved_model", Path: ""}}, ""},
		{"weights", []string{"/x.weights.h5"}, "", false, []reserve.Artifact{{Kind: "export", Path: ""}}, ""},
		{"a file at the path", []string{""}, "", false, []reserve.Artifact{{Kind: "export", Path: ""}}, ""},
		{"a Keras file beside it", []string{".keras"}, "", false, []reserve.Artifact{{Kind: "export", Path: ".keras"}}, ""},
		{"both", []string{"/saved_model.pb", ".keras"}, "", false, []reserve.Artifact{{Kind: "saved_model", Path: ""}, {Kind: "export", Path: ".keras"}}, ""},
		{"a Keras file replaced", []string{".keras"}, ".keras", true, []reserve.Artifact{{Kind: "export", Path: ".keras"}}, ""},
		{"a Keras file that exists", []string{".keras", "/saved_model.pb"}, ".keras", false, nil, "final.keras exists already"},
		{"a folder beside it is not replaced", []string{"_data/x"}, "_data/mine", true, nil, "final_data exists already"},
		{"nothing", nil, "", false, nil, "the program has written nothing there"},
		{"hidden files", []string{"/_METADATA", "/a/.x"}, "", false, []reserve.Artifact{{Kind: "export", Path: ""}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			o := Output{Kind: KindExport, Staging: root + "/tfos-r1.final", Final: root + "/final", Replace: test.replace}
			cfg := Config{Config: reserve.Config{Run: "r1"}, Outputs: []Output{o}}
			stage(t, root+"/tfos-r10.final/another_run")
			for _, name := range test.written {
				stage(t, o.Staging+name)
			}
			if test.there != "" {
				stage(t, o.Final+test.there)
			}
			got, err := publishOutputs(t.Context(), cfg, nil, anew{})
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
				// A later run may replace a folder that is marked: job.Check.
				if info, err := os.Stat(o.Final); err == nil && info.IsDir() && !exists(o.Final+"/saved_model.pb") && !exists(o.Final+"/_exported_by_tfos") {
					t.Error("the folder has no mark")
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.says) || len(got) > 0 {
				t.Fatalf("%v, %v", got, err)
			}
			kept, err := ClearStaging(t.Context(), cfg)
			if err != nil || (len(kept) > 0) != (len(test.written) > 0) {
				t.Errorf("kept %v, %v", kept, err)
			}
			for _, name := range test.written {
				if !exists(o.Staging + name) {
					t.Errorf("%s was deleted", name)
				}
			}
		})
	}
}

// TestSavedModelDemanded: what a program has written in the place of a SavedModel
// is named, and stays.
func TestSavedModelDemanded(t *testing.T) {
	for want, written := range map[string][]string{
		"has written nothing there":                                  nil,
		"has written final/x.weights.h5 and no saved_model.pb there": {"/x.weights.h5"},
		"has written final.keras and no saved_model.pb there":        {".keras"},
		"has written final/a, final/b, final/c, … and no":            {"/a", "/b", "/c", "/d"},
	} {
		root := t.TempDir()
		o := Output{Kind: KindSavedModel, Staging: root + "/tfos-r1.final", Final: root + "/final"}
		cfg := Config{Config: reserve.Config{Run: "r1"}, Outputs: []Output{o}}
		for _, name := range written {
			stage(t, o.Staging+name)
		}
		got, err := publishOutputs(t.Context(), cfg, nil, anew{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "model.export") || len(got) > 0 {
			t.Errorf("%v, %v; want %q", got, err, want)
		}
		if kept, err := ClearStaging(t.Context(), cfg); err != nil || len(kept) != min(len(written), 1) {
			t.Errorf("kept %v, %v", kept, err)
		}
	}
}

// TestPublishedInPart: pieces that have their names when a later one cannot have
// its own are named, and the later one is kept.
func TestPublishedInPart(t *testing.T) {
	root := t.TempDir()
	o := Output{Kind: KindExport, Staging: root + "/s", Final: root + "/" + strings.Repeat("f", 200), Replace: true}
	cfg := Config{Config: reserve.Config{Run: "r1"}, Outputs: []Output{o}}
	tooLong := "." + strings.Repeat("x", 100) // for a file's name, with the final one
	stage(t, o.Staging+"/saved_model.pb")
	stage(t, o.Staging+tooLong)
	got, err := publishOutputs(t.Context(), cfg, nil, anew{})
	if want := "; published before that: " + o.Final; err == nil || !strings.HasSuffix(err.Error(), want) || !strings.Contains(err.Error(), tooLong+" could not be committed") {
		t.Errorf("%v, want %q at its end", err, want)
	}
	if !slices.Equal(got, []reserve.Artifact{{Kind: "saved_model", Path: o.Final}}) || !exists(o.Final+"/saved_model.pb") {
		t.Errorf("published %v", got)
	}
	if kept, err := ClearStaging(t.Context(), cfg); err != nil || !slices.Equal(kept, []string{o.Staging + tooLong}) {
		t.Errorf("kept %v, %v", kept, err)
	}
}

func TestExportInAFolderWithAPatternsName(t *testing.T) {
	root := t.TempDir() + "/run[1]{a,b}*"
	o := Output{Kind: KindExport, Staging: root + "/tfos-r1.f", Final: root + "/f"}
	stage(t, o.Staging+"/saved_model.pb")
	got, err := publishOutputs(t.Context(), Config{Config: reserve.Config{Run: "r1"}, Outputs: []Output{o}}, nil, anew{})
	if err != nil || !slices.Equal(got, []reserve.Artifact{{Kind: "saved_model", Path: o.Final}}) || !exists(o.Final+"/saved_model.pb") {
		t.Errorf("%v, %v", got, err)
	}
}

// TestClearStaging: of a failed run's staging only what programs have written
// stays; of a measurement's nothing.
func TestClearStaging(t *testing.T) {
	tests := []struct {
		name    string
		written []string // after the staging name; a folder ends with a slash
		measure bool
		want    []string // after the staging name
	}{
		{"nothing", nil, false, nil},
		{"empty folders", []string{"/a/b/", "_data/"}, false, nil},
		{"half a SavedModel", []string{"/variables/v"}, false, []string{""}},
		{"a hidden file, deep down", []string{"/a/_b/.c"}, false, []string{""}},
		{"a file beside an empty folder", []string{"/", ".keras"}, false, []string{".keras"}},
		{"both", []string{"/saved_model.pb", ".keras"}, false, []string{"", ".keras"}},
		{"a measurement's", []string{"/saved_model.pb", ".keras"}, true, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir() + "/{a}[b]"
			o := Output{Kind: KindExport, Staging: root + "/tfos-r1.final", Final: root + "/final"}
			rows := Output{Kind: "results", Staging: root + "/rows", Final: root + "/out"}
			cfg := Config{Config: reserve.Config{Run: "r1"}, Outputs: []Output{o, rows}}
			if test.measure {
				cfg.MeasureMS = 1
			}
			stage(t, root+"/tfos-r10.final/another_run")
			stage(t, rows.Staging+"/part-0")
			for _, name := range test.written {
				if strings.HasSuffix(name, "/") {
					if err := os.MkdirAll(o.Staging+name, 0o755); err != nil {
						t.Fatal(err)
					}
					continue
				}
				stage(t, o.Staging+name)
			}
			for i := range test.want {
				test.want[i] = o.Staging + test.want[i]
			}
			kept, err := ClearStaging(t.Context(), cfg)
			if left, _ := filepath.Glob(strings.NewReplacer("[", `\[`).Replace(o.Staging) + "*"); err != nil || !slices.Equal(kept, test.want) || !slices.Equal(left, test.want) {
				t.Errorf("kept %v, want %v; there is %v; %v", kept, test.want, left, err)
			}
			if exists(rows.Staging) || !exists(root+"/tfos-r10.final/another_run") || exists(o.Final) {
				t.Error("more or less than the export was kept")
			}
		})
	}
}
