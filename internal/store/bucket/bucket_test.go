package bucket

import "testing"

func TestSizeOf(t *testing.T) {
	for _, c := range []struct {
		header       string
		length, want int64
	}{
		{"bytes 0-99/1234", 100, 1234},
		{"bytes 0-99/*", 100, -1},
		{"bytes 0-99", 100, -1},
		{"bytes 0-99/-5", 100, -1},
		{"", 100, 100},
		{"", -1, -1},
	} {
		if got := SizeOf(c.header, c.length); got != c.want {
			t.Errorf("%q, %d: %d, want %d", c.header, c.length, got, c.want)
		}
	}
}
