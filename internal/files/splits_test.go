package files

import (
	"slices"
	"testing"

	"tfos/internal/store"
)

// TestCutAt: every piece has a unit, and every byte is in one piece.
func TestCutAt(t *testing.T) {
	for _, c := range []struct {
		starts []int64
		size   int64
		want   []int64 // where pieces begin
	}{
		{[]int64{0, 4, 30, 60, 90}, 10, []int64{0, 30, 60, 90}},
		{[]int64{0, 4, 30, 60, 90}, 31, []int64{0, 60}},
		{[]int64{0, 4}, 10, []int64{0}},
		{[]int64{0}, 10, []int64{0}},
		{[]int64{0, 4, 500}, 3, []int64{0, 4}}, // beyond the file: damage
	} {
		var begins []int64
		end := int64(0)
		for _, s := range cutAt(store.Info{Path: "a", Size: 100}, c.starts, c.size) {
			begins = append(begins, s.Offset)
			if s.Offset != end || s.Length <= 0 {
				t.Errorf("%+v: piece %+v after %d", c, s, end)
			}
			end = s.Offset + s.Length
		}
		if !slices.Equal(begins, c.want) || end != 100 {
			t.Errorf("%+v: pieces at %v, to %d", c, begins, end)
		}
	}
}

func TestSplitBytes(t *testing.T) {
	const mb, tb = 1 << 20, 1 << 40
	for _, c := range []struct {
		all   int64
		tasks int
		want  int64
	}{{100 * mb, 4, 25 * mb}, {100 * mb, 0, 100 * mb}, {mb, 8, OpenBytes}, {tb, 8, splitBytes}, {20 * tb, 8, 20 * tb / maxSplits}} {
		if got := splitBytesOf(c.all, c.tasks); got != c.want {
			t.Errorf("%d bytes, %d tasks: %d, want %d", c.all, c.tasks, got, c.want)
		}
	}
}
