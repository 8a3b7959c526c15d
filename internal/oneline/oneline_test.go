package oneline

import "testing"

func TestOf(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{" a\r\n\tb  c\n", 10, "a b c"},
		{"", 10, ""},
		{"abcdef", 6, "abcdef"},
		{"abcdefg", 6, "abcdef…"},
		{"ééé", 3, "é…"},
		{"a\xffb", 10, "a\uFFFDb"},
	} {
		if got := Of(c.text, c.most); got != c.want {
			t.Errorf("%q of %d bytes: %q, want %q", c.text, c.most, got, c.want)
		}
	}
}
