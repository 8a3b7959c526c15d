package work

import (
	"encoding/json"
	"reflect"
	"testing"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/store"
)

// TestManifestsOfEarlierVersions: without a kind, with the fields of both kinds of
// parts in each part.
func TestManifestsOfEarlierVersions(t *testing.T) {
	account := infer.Account{Read: 3, Rows: 2, Skipped: 1}
	info := infer.PartInfo{ID: 4, Account: account, Bytes: 9, Run: "r0"}
	for text, want := range map[string]infer.Part{
		`{"made":{"digest":"d"},"splits":[{"id":4,"input":"/a","offset":5,"length":6,"output":"part-00004.csv",
			"read":3,"rows":2,"skipped":1,"quarantined":0,"bytes":9,"sha256":"s","run":"r0","input_size":11}]}`: infer.SplitResult{
			PartInfo: info, Input: "/a", Offset: 5, Length: 6, Output: "part-00004.csv", SHA256: "s", Stamp: infer.Stamp{Size: 11}},
		`{"made":{"digest":"d","plan":"p"},"splits":[{"id":4,"offset":0,"length":0,"read":3,"rows":2,"skipped":1,"quarantined":0,
			"bytes":9,"run":"r0","input_size":0,"partition":"a","written":[{"output":"f","bytes":9}]}]}`: infer.PartitionResult{
			PartInfo: info, Partition: "a", Written: []infer.WrittenFile{{Output: "f", Bytes: 9}}},
	} {
		var m manifest
		if err := json.Unmarshal([]byte(text), &m); err != nil || len(m.Parts) != 1 || !reflect.DeepEqual(m.Parts[0], want) {
			t.Errorf("%s: %+v, %v", text, m.Parts, err)
		}
	}
}

// TestPlansOfEarlierVersions: what killed runs of earlier versions have left is taken
// over, splits as well as partitions.
func TestPlansOfEarlierVersions(t *testing.T) {
	root := t.TempDir()
	st, err := store.For(root)
	if err != nil {
		t.Fatal(err)
	}
	stageText(t, root+"/s/parts/part-00000.csv", "123")
	stageText(t, root+"/s/done/part-00000.csv.json", `{"identity":{"digest":"d","format":"csv"},"split":{"id":0,"input":"/a","offset":0,"length":6,
		"output":"part-00000.csv","read":1,"rows":1,"skipped":0,"quarantined":0,"bytes":3,"run":"r0","input_size":6}}`)
	stageText(t, root+"/p/pending/0/task_1_m_000001/part-00001-x.csv", "12")
	stageText(t, root+"/p/done/partition-00001.json", `{"digest":"d","split":{"id":1,"offset":0,"length":0,"read":2,"rows":2,"skipped":0,"quarantined":0,"bytes":0,"run":"r0","input_size":0}}`)
	for folder, text := range map[string]string{
		"/s": `{"version":1,"run":"r0","base":"","identity":{"digest":"d","format":"csv"},"splits":[{"id":0,"path":"/a","offset":0,"length":6,"input_size":6}]}`,
		"/p": `{"version":1,"run":"r0","base":"","identity":{"digest":"d","plan":"p"},"splits":[{"id":0,"path":"","offset":0,"length":0,"input_size":0,"partition":"a"},
			{"id":1,"path":"","offset":0,"length":0,"input_size":0,"partition":"b"}]}`,
	} {
		stageText(t, root+folder+"/plan.json", text)
		plan, err := readPlan(t.Context(), st, root+folder+"/plan.json")
		if err != nil {
			t.Fatal(err)
		}
		sizes, err := sizesIn(t.Context(), st, root)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := plan.finished(t.Context(), st, Output{}, root+folder, sizes)
		if err != nil || len(parts) != 1 {
			t.Fatalf("%s: %+v, %v", folder, parts, err)
		}
		switch made := parts[0].Part.(type) {
		case infer.SplitResult:
			if want := (infer.Split{Split: files.Split{Path: "/a", Length: 6}, Stamp: infer.Stamp{Size: 6}}); folder != "/s" || len(plan.splits) != 1 || made.Split() != want {
				t.Errorf("%s: %+v of %+v", folder, made, plan.splits)
			}
		case infer.PartitionResult:
			if folder != "/p" || len(plan.splits) > 0 || made.Partition != "b" || made.Bytes != 2 || len(made.Written) != 1 {
				t.Errorf("%s: %+v", folder, made)
			}
		}
	}
}
