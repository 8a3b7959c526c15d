package bucket

import "testing"

func TestSizeOf(t *testing.T) {
	for header, want := range map[string]int64{
		"bytes 0-99/1234": 1234, "bytes */1234": 1234, "bytes 0-99/*": -1, "bytes 0-99": -1, "bytes 0-99/-5": -1, "": -1,
	} {
		if got := SizeOf(header); got != want {
			t.Errorf("%q: %d, want %d", header, got, want)
		}
	}
}
