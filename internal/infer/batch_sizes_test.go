package infer

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestGrownSize: the size doubles while rows get cheaper, and memory lasts.
func TestGrownSize(t *testing.T) {
	run := func(rows int64) time.Duration { return 10*time.Millisecond + time.Duration(rows)*20*time.Microsecond }
	for _, c := range []struct {
		name   string
		took   func(rows int64) time.Duration
		memory int64 // rows; 0: enough
		want   int64
	}{
		{"a run costs as much as 500 rows", run, 0, 2048}, // 4096 rows are 10 % cheaper, and no more
		{"a run costs nothing", func(rows int64) time.Duration { return time.Duration(rows) * time.Microsecond }, 0, firstRows},
		{"a run costs all", func(int64) time.Duration { return time.Millisecond }, 0, MostGrown},
		{"one size is slow", func(rows int64) time.Duration {
			if rows == 128 {
				return time.Second
			}
			return time.Millisecond
		}, 0, MostGrown},
		{"memory for 600 rows", run, 600, 512},
		{"memory for 20 rows", run, 20, 16},
	} {
		g := newGrownSize()
		runs := 0
		for ; runs < 100; runs++ {
			rows := g.next()
			for c.memory > 0 && rows > c.memory {
				rows /= 2
				g.short(rows)
			}
			g.ran(rows, c.took(rows))
			g.ran(7, time.Hour) // the rest of a file
		}
		if got := g.next(); got != c.want {
			t.Errorf("%s: %d rows, want %d", c.name, got, c.want)
		}
		if c.memory > 0 && (g.short(c.memory) || !g.short(2) || g.next() != 2) {
			t.Errorf("%s: memory that is short again", c.name)
		}
	}
}

// TestGrowBatch: runs grow until memory is short, the result says how far, and each row has
// its prediction once.
func TestGrowBatch(t *testing.T) {
	req := request(t, inputFile(t, t.TempDir(), "a", 0, 5000, 70, 5000))
	req.GrowBatch, req.BatchSize, req.OnBadRow = true, 1, Skip
	var told []string
	req.Warn = func(text string) { told = append(told, text) }
	d := &doubler{bad: -1, unfit: among(3, 9000), memory: 200}
	result, err := Run(t.Context(), &req, d.load, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Account{Read: 10070, Rows: 10068, Skipped: 2}); result.Account != want {
		t.Errorf("%+v", result.Account)
	}
	if result.BatchRows < firstRows || result.BatchRows > 200 || slices.Max(d.rows) > MostGrown || slices.Max(d.rows[len(d.rows)-8:]) > 200 {
		t.Errorf("ends with %d rows; runs of %v", result.BatchRows, d.rows)
	}
	if d.rows[0] != firstRows {
		t.Errorf("begins with %d rows", d.rows[0])
	}
	if slices.Max(d.rows) > 200 != (len(told) > 0) || len(told) > 0 && !strings.Contains(told[0], "128 rows at a time") {
		t.Errorf("told %q", told)
	}
}

// TestGrowFixedBatch: a model that takes a fixed number of rows at a time gets whole batches all the same.
func TestGrowFixedBatch(t *testing.T) {
	for _, rows := range []int64{4, 100} {
		req := fixedRequest(t, 500, 500)
		req.GrowBatch, req.Model = true, doublerOf(t, rows, nil)
		d := &doubler{bad: -1}
		result, err := Run(t.Context(), &req, d.load, nil)
		if err != nil || result.Rows != 1000 {
			t.Fatalf("%+v, %v", result.Account, err)
		}
		if i := slices.IndexFunc(d.rows, func(n int64) bool { return n%rows != 0 }); i >= 0 {
			t.Errorf("a model of %d rows got %d", rows, d.rows[i])
		}
	}
}
