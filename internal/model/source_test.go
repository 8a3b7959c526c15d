package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCopiesAreNamedByTheirURL: what is settled, and errors, name the URL, and the copy is read.
func TestCopiesAreNamedByTheirURL(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"models/3", "models/12", "empty"} {
		if err := os.MkdirAll(filepath.Join(dir, version), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"models/3", "models/12"} {
		if err := os.WriteFile(filepath.Join(dir, version, "saved_model.pb"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for given, want := range map[string]string{
		"models": "models/12", "models/3": "models/3", "models/3/saved_model.pb": "models/3",
	} {
		settled, _, err := Source{Model: "s3://b/p/" + given, Here: filepath.Join(dir, given)}.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		if settled.Model != "s3://b/p/"+want || settled.Here != filepath.Join(dir, want) {
			t.Errorf("%s: settled as %+v", given, settled)
		}
	}
	_, _, err := Source{Model: "s3://b/p/empty", Here: filepath.Join(dir, "empty")}.Resolve()
	if err == nil || !strings.Contains(err.Error(), "s3://b/p/empty") || strings.Contains(err.Error(), dir) {
		t.Errorf("the error is %v", err)
	}
}
