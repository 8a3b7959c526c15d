package infer

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"tfos/internal/files"
	"tfos/internal/model"
)

// TestRequestsKeepTheirKind: what is written is read as the same type, and an object
// without a kind, or of another one, is refused.
func TestRequestsKeepTheirKind(t *testing.T) {
	c := Computation{Source: model.Source{Model: "m"}, Keep: []string{"id"}, BatchSize: 3, OnBadRow: Quarantine}
	for _, want := range []Request{
		&SplitsRequest{Computation: c, Output: "o", Format: files.CSV, Splits: []Split{{ID: 1, Split: files.Split{Path: "a"}}}},
		&PartitionsRequest{Computation: c, Aside: "a", Query: "t", InputFormat: "orc", Format: "orc", PartitionBy: []string{"day"}},
	} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRequest(text)
		if err != nil || !reflect.DeepEqual(got, want) || got.Kind() != want.Kind() {
			t.Errorf("%s: read as %#v, %v", text, got, err)
		}
		if !strings.Contains(string(text), `"keep":["id"]`) {
			t.Errorf("%s: without what requests have in common", text)
		}
	}
	for _, text := range []string{`{"model":"m"}`, `{"kind":"program"}`, `[]`} {
		if got, err := ParseRequest([]byte(text)); err == nil {
			t.Errorf("%s: read as %#v", text, got)
		}
	}
}

// TestKindOfEarlierIdentities: versions before wrote no kind, and of those whose parts
// Spark wrote a plan.
func TestKindOfEarlierIdentities(t *testing.T) {
	for text, want := range map[string]Kind{
		`{"digest":"d"}`: Splits, `{"digest":"d","plan":"p"}`: Partitions,
		`{"kind":"splits"}`: Splits, `{"kind":"partitions"}`: Partitions,
	} {
		var id Identity
		if err := json.Unmarshal([]byte(text), &id); err != nil || id.Kind != want {
			t.Errorf("%s: %q, %v, want %q", text, id.Kind, err, want)
		}
	}
}
