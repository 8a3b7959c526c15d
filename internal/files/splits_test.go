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
		{[]int64{0, 4, 30, 60, 90}, 30, []int64{0, 30, 60, 90}},
		{[]int64{0, 4, 30, 60, 90}, 31, []int64{0, 60}},
		{[]int64{0, 4}, 10, []int64{0}},
		{[]int64{0}, 10, []int64{0}},
		{[]int64{0, 4, 500}, 3, []int64{0, 4}}, // beyond the file: damage
		{[]int64{0, 4, 100}, 3, []int64{0, 4}},
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

// TestSplits: a file is one split if it has at most the wanted bytes. Others are
// cut into pieces of that size; the last piece has the rest.
func TestSplits(t *testing.T) {
	for _, c := range []struct {
		size, bytes int64
		want        []Split // without paths
	}{
		{100, 0, []Split{{Length: 100}}},
		{100, 101, []Split{{Length: 100}}},
		{100, 100, []Split{{Length: 100}}},
		{100, 99, []Split{{Length: 99}, {Offset: 99, Length: 1}}},
		{100, 50, []Split{{Length: 50}, {Offset: 50, Length: 50}}},
		{100, 40, []Split{{Length: 40}, {Offset: 40, Length: 40}, {Offset: 80, Length: 20}}},
		{0, 0, []Split{{}}}, // its reader says what is wrong with it
		{0, 40, []Split{{}}},
	} {
		d := &Dataset{codec: codecs[Arrow], files: []store.Info{{Path: "a", Size: c.size}, {Path: "b", Size: 1}}}
		got, err := d.Splits(t.Context(), c.bytes)
		want := []Split{}
		for _, s := range c.want {
			want = append(want, Split{Path: "a", Offset: s.Offset, Length: s.Length})
		}
		want = append(want, Split{Path: "b", Length: 1})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d bytes in pieces of %d: %v, %v; want %v", c.size, c.bytes, got, err, want)
		}
	}
	d := &Dataset{files: []store.Info{{Size: 3 * OpenBytes}, {Size: 5}}}
	if got, want := d.SplitBytes(1), int64(5*OpenBytes+5); got != want {
		t.Errorf("two files for one task: splits of %d bytes, want %d", got, want)
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
