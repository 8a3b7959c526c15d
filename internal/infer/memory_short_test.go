package infer

import (
	"slices"
	"strings"
	"testing"
)

// TestMemoryIsShort: a batch for which memory is short runs in halves, and later batches
// begin with what fits. The user is told once for each halving. Bad rows stay bad rows.
func TestMemoryIsShort(t *testing.T) {
	path := inputFile(t, t.TempDir(), "a", 0, 233) // batches of 64
	req := request(t, path)
	req.OnBadRow = Skip
	var told []string
	req.Warn = func(text string) { told = append(told, text) }
	d := &doubler{bad: -1, unfit: among(3, 200), memory: 20}
	result, err := Run(t.Context(), &req, d.load, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Account{Read: 233, Rows: 231, Skipped: 2}); result.Account != want {
		t.Errorf("%+v", result.Account)
	}
	if len(told) != 2 || !strings.Contains(told[0], "32 rows at a time") || !strings.Contains(told[1], "16 rows at a time") || !strings.Contains(told[1], "OOM") {
		t.Errorf("told %q", told)
	}
	tooMany := 0
	for _, n := range d.rows {
		if n > 20 {
			tooMany++
		}
	}
	// 64 and 32 of the first batch, and perhaps the other half of it.
	if tooMany < 2 || tooMany > 3 || slices.Max(d.rows[len(d.rows)-8:]) > 16 {
		t.Errorf("batches of %v", d.rows)
	}
}

// TestNoMemoryForARow: then the run fails, with what TensorFlow has said.
func TestNoMemoryForARow(t *testing.T) {
	req := request(t, inputFile(t, t.TempDir(), "a", 0, 10))
	req.OnBadRow = Skip
	d := &doubler{bad: -1, memory: -1}
	if _, err := Run(t.Context(), &req, d.load, nil); err == nil || !strings.Contains(err.Error(), "OOM when allocating") {
		t.Errorf("%v", err)
	}
}
