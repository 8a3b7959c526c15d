package work

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"tfos/internal/infer"

	"tfos/internal/reserve"
)

func TestCommit(t *testing.T) {
	result := &total{Result: infer.Result{Account: infer.Account{Rows: 1}}, Parts: []infer.Part{infer.SplitResult{Output: "part-00000.parquet"}}}
	quarantined := &total{Parts: []infer.Part{infer.SplitResult{Output: "part-00000.parquet", PartInfo: infer.PartInfo{Quarantine: &infer.QuarantineFile{Output: "_quarantine/part-00000.parquet"}}}}}
	tests := []struct {
		name    string
		kind    string
		staged  []string
		replace bool
		result  *total
		want    string // of the error; "" publishes
	}{
		{"a model", "saved_model", []string{"saved_model.pb", "variables/v"}, false, nil, ""},
		{"a model without its graph", "saved_model", []string{"variables/v"}, false, nil, "it must save a SavedModel"},
		{"nothing", "saved_model", nil, false, nil, "it must save a SavedModel"},
		{"predictions", "predictions", []string{"part-00000.parquet"}, false, result, ""},
		{"predictions with a file lost", "predictions", []string{"part-00001.parquet"}, false, result, "not written it completely"},
		{"predictions and bad rows", "predictions", []string{"part-00000.parquet", "_quarantine/part-00000.parquet"}, false, quarantined, ""},
		{"predictions with bad rows lost", "predictions", []string{"part-00000.parquet"}, false, quarantined, "not written it completely"},
		{"predictions that nobody reported", "predictions", []string{"part-00000.parquet"}, false, nil, "no member reported"},
		{"results", "results", []string{"part-0"}, false, nil, ""},
		{"empty results", "results", []string{"_temporary/x"}, false, nil, "not written it completely"},
		{"a model onto another", "saved_model", []string{"saved_model.pb"}, true, nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			cfg := Config{Config: reserve.Config{Run: "r1"}, Outputs: []Output{{Kind: test.kind, Staging: root + "/stage", Final: root + "/final", Replace: test.replace}}}
			for _, name := range test.staged {
				stage(t, root+"/stage/"+name)
			}
			if test.replace {
				stage(t, root+"/final/old")
			}
			artifacts, err := publishOutputs(t.Context(), cfg, test.result, anew{})
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || exists(root+"/final") || len(artifacts) > 0 {
					t.Errorf("%v, want %q; published %v", err, test.want, artifacts)
				}
				return
			}
			if err != nil || len(artifacts) != 1 || artifacts[0] != (reserve.Artifact{Kind: test.kind, Path: root + "/final"}) {
				t.Fatalf("%v %v", artifacts, err)
			}
			if exists(root+"/stage") || exists(root+"/final/old") || !exists(root+"/final/"+test.staged[0]) {
				t.Error("the output was not published as it was staged")
			}
			if marked := exists(root + "/final/_SUCCESS"); marked != (test.kind != "saved_model") {
				t.Errorf("_SUCCESS: %v", marked)
			}
		})
	}
}

// TestCommitChecksFirst: an output is not published when a later one cannot be.
func TestCommitChecksFirst(t *testing.T) {
	root := t.TempDir()
	stage(t, root+"/stage/a/saved_model.pb")
	cfg := Config{Outputs: []Output{
		{Kind: "saved_model", Staging: root + "/stage/a", Final: root + "/a"},
		{Kind: "results", Staging: root + "/stage/b", Final: root + "/b"},
	}}
	if artifacts, err := publishOutputs(t.Context(), cfg, nil, anew{}); err == nil || len(artifacts) > 0 || exists(root+"/a") {
		t.Errorf("%v %v", artifacts, err)
	}
	kept, err := ClearStaging(t.Context(), cfg)
	if err != nil || !slices.Equal(kept, []string{root + "/stage/a"}) || !exists(root+"/stage/a/saved_model.pb") {
		t.Errorf("kept %v, %v", kept, err)
	}
}

// TestCommitFails: nothing is published where a name is taken. An output that cannot
// have its name for another reason is an error, which names the outputs that have theirs.
func TestCommitFails(t *testing.T) {
	root := t.TempDir()
	output := func(name string) Output {
		stage(t, root+"/stage/"+name[:1]+"/part-0")
		return Output{Kind: "results", Staging: root + "/stage/" + name[:1], Final: root + "/" + name}
	}
	good, taken, bad := output("a"), output("b"), output(strings.Repeat("c", 300)) // too long for a file's name
	stage(t, taken.Final+"/mine")
	const before = "; published before that: "
	for _, test := range []struct {
		outputs   []Output
		published []reserve.Artifact
		says      string
	}{
		{[]Output{good, taken}, nil, taken.Final + " exists already and is unchanged"},
		{[]Output{bad}, nil, bad.Final + " could not be committed"},
		{[]Output{good, bad}, []reserve.Artifact{{Kind: "results", Path: good.Final}}, bad.Final + " could not be committed"},
	} {
		got, err := publishOutputs(t.Context(), Config{Outputs: test.outputs}, nil, anew{})
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), before) != (len(test.published) > 0) {
			t.Errorf("%v, want %q", err, test.says)
		}
		if !slices.Equal(got, test.published) || exists(good.Final+"/part-0") != (len(got) > 0) || !exists(taken.Final+"/mine") {
			t.Errorf("published %v, want %v", got, test.published)
		}
	}
}

// TestCommitTakesBadRowsIn: of what Spark wrote the files of the attempts that count,
// by the names of their partitions; the verdict and the manifest have these names.
func TestCommitTakesBadRowsIn(t *testing.T) {
	for _, lost := range []bool{false, true} {
		root := t.TempDir()
		o := Output{Kind: "predictions", Staging: root + "/stage", Final: root + "/final", Aside: root + "/aside"}
		cfg := Config{Config: reserve.Config{Run: "r1"}, Outputs: []Output{o}}
		stage(t, o.Staging+"/part-00007-x.parquet")
		stageText(t, o.Aside+"/_quarantine/part-00007-11.parquet", "an earlier attempt")
		if !lost {
			stageText(t, o.Aside+"/_quarantine/part-00007-12.parquet", "the last attempt")
		}
		result := &total{Result: infer.Result{Account: infer.Account{Read: 3, Rows: 2, Quarantined: 1}}, Partitions: 2, BadPartitions: []infer.ServedPartition{
			{Partition: 7, Attempt: 12, Account: infer.Account{Read: 2, Rows: 1, Quarantined: 1}, Quarantine: &infer.QuarantineFile{Output: "_quarantine/part-00007-12.parquet", Rows: 1}},
		}}
		_, err := publishOutputs(t.Context(), cfg, result, anew{})
		if lost {
			if err == nil || !strings.Contains(err.Error(), "not written it completely") || exists(o.Final) {
				t.Errorf("a lost file: %v", err)
			}
			if kept, err := ClearStaging(t.Context(), cfg); err != nil || len(kept) > 0 || exists(o.Staging) || exists(o.Aside) {
				t.Errorf("kept %v, %v", kept, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(o.Final + "/_quarantine/part-00007.parquet")
		if err != nil || string(text) != "the last attempt" || exists(o.Aside) || exists(o.Staging) || exists(o.Final+"/_quarantine/part-00007-11.parquet") {
			t.Errorf("%q, %v", text, err)
		}
		var m manifest
		text, err = os.ReadFile(o.Final + "/" + manifestName)
		if err := errors.Join(err, json.Unmarshal(text, &m)); err != nil || len(m.BadPartitions) != 1 || m.Quarantined != 1 || m.BadPartitions[0].Quarantine.Output != "_quarantine/part-00007.parquet" {
			t.Errorf("%+v, %v", m, err)
		}
		if result.BadPartitions[0].Quarantine.Output != "_quarantine/part-00007.parquet" {
			t.Errorf("%+v", result)
		}
	}
}

// TestManifestCounts: the manifest's account is of all rows, those that Spark
// wrote, which no part tells, and those of earlier runs.
func TestManifestCounts(t *testing.T) {
	root := t.TempDir()
	stage(t, root+"/stage/day=1/part-0.parquet")
	cfg := Config{Config: reserve.Config{Run: "r1"}, Outputs: []Output{{Kind: "predictions", Staging: root + "/stage", Final: root + "/final"}}}
	result := &total{
		Result: infer.Result{Account: infer.Account{Read: 8, Rows: 8}}, Partitions: 2,
		Carried: &Carried{Splits: 1, Account: infer.Account{Read: 3, Rows: 2, Skipped: 1}},
	}
	if _, err := publishOutputs(t.Context(), cfg, result, anew{}); err != nil {
		t.Fatal(err)
	}
	var m manifest
	text, err := os.ReadFile(root + "/final/" + manifestName)
	if err := errors.Join(err, json.Unmarshal(text, &m)); err != nil || m.Account != (infer.Account{Read: 11, Rows: 10, Skipped: 1}) {
		t.Errorf("%+v, %v", m, err)
	}
}
