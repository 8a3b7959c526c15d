package task

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/files"
)

// writeLines writes JSON files of so many lines each.
func writeLines(t *testing.T, lines ...int) string {
	t.Helper()
	dir := t.TempDir()
	for i, n := range lines {
		text := strings.Repeat("{\"x\": 1}\n", n)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.json", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestShareOut: members get all pieces, each once, in their order, and about the same
// bytes.
func TestShareOut(t *testing.T) {
	for _, c := range []struct {
		lines   []int
		members int
	}{
		{[]int{1000}, 1}, {[]int{1000}, 2}, {[]int{900, 30, 30, 30, 10}, 3}, {slices.Repeat([]int{100}, 20), 4},
	} {
		in := Input{Format: files.JSON, Path: writeLines(t, c.lines...)}
		shares, err := ShareOut(t.Context(), in, c.members, 2)
		if err != nil {
			t.Fatal(err)
		}
		var all []files.Split
		var bytes []int64
		total := int64(0)
		for _, share := range shares {
			sum := int64(0)
			for _, s := range slices.Concat(share.Partitions.Partitions...) {
				sum += s.Length
			}
			own := slices.Concat(share.Partitions.Partitions...)
			if !slices.IsSortedFunc(own, bySplit) || share.Readers != 2 || share.Files.Format != files.JSON {
				t.Errorf("%v: share %+v", c, share)
			}
			all, bytes, total = append(all, own...), append(bytes, sum), total+sum
		}
		slices.SortFunc(all, bySplit)
		at := map[string]int64{}
		for _, s := range all {
			if s.Offset != at[s.Path] {
				t.Errorf("%v: %+v, want it at %d", c, s, at[s.Path])
			}
			at[s.Path] += s.Length
		}
		if len(at) != len(c.lines) {
			t.Errorf("%v: %d files", c, len(at))
		}
		if mean := total / int64(c.members); slices.Min(bytes) < mean*2/3 || slices.Max(bytes) > mean*4/3 {
			t.Errorf("%v: bytes %v", c, bytes)
		}
	}
}

// TestDeal: a large piece counts as much as many small ones.
func TestDeal(t *testing.T) {
	var splits []files.Split
	for i, length := range []int64{1, 100, 2, 3, 60, 4} {
		splits = append(splits, files.Split{Path: fmt.Sprint(i), Length: length})
	}
	var got []string
	for _, share := range deal(splits, 2) {
		var paths string
		for _, s := range share {
			paths += s.Path
		}
		got = append(got, paths)
	}
	if !slices.Equal(got, []string{"1", "02345"}) {
		t.Errorf("shares %v", got)
	}
}

func bySplit(a, b files.Split) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Offset, b.Offset))
}

// TestShareOutRefuses: more members than pieces; no files.
func TestShareOutRefuses(t *testing.T) {
	var few *TooFewPieces
	in := Input{Format: files.JSON, Path: writeLines(t, 0, 1)}
	if _, err := ShareOut(t.Context(), in, 30, 1); !errors.As(err, &few) || few.Members != 30 || !strings.Contains(err.Error(), "at least 30 files") {
		t.Errorf("error %v", err)
	}
	in.Path += "-none"
	if _, err := ShareOut(t.Context(), in, 1, 1); err == nil {
		t.Error("nothing is shared out")
	}
}
