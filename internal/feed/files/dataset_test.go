package files

import "testing"

func TestSplitBytes(t *testing.T) {
	const mb, tb = 1 << 20, 1 << 40
	for _, c := range []struct {
		all   int64
		tasks int
		want  int64
	}{{100 * mb, 4, 25 * mb}, {100 * mb, 0, 100 * mb}, {mb, 8, openBytes}, {tb, 8, splitBytes}, {20 * tb, 8, 20 * tb / mostSplits}} {
		if got := splitBytesOf(c.all, c.tasks); got != c.want {
			t.Errorf("%d bytes, %d tasks: %d, want %d", c.all, c.tasks, got, c.want)
		}
	}
}
