package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOverlapByName compares patterns with folders that do not exist.
func TestOverlapByName(t *testing.T) {
	for _, c := range []struct {
		pattern, folder string
		want            Overlap
	}{
		{"/d", "/d", Inside},
		{"/d", "/d/out", Inside},
		{"/d/", "/d/a/out", Inside},
		{"/d", "/d2", Apart},
		{"/d/in", "/d/out", Apart},
		{"/d/in", "/d", Around}, // what is read would be replaced
		{"/d/*", "/d/out", Inside},
		{"/d/*.csv", "/d/out", Apart},
		{"/d/*.csv", "/d/out.csv", Inside},
		{"/d/*.csv", "/d", Around},
		{"/d/*", "/d", Inside}, // and Around
		{"/d/*/*.csv", "/d/out", Inside},
		{"/d/*/train.csv", "/d/out", Apart}, // no run writes such a name
		{"/d/*/part-0.csv", "/d/out", Inside},
		{"/d/*", "/d/_out", Apart},
		{"/d/_*", "/d/_out", Inside},
		{"/d/*", "/d/a/.out", Apart},
		{"/d/**", "/d/a/b/out", Inside},
		{"/d/**/*.csv", "/d/a/b/out", Inside},
		{"/d/**/in", "/d/a/b/out", Apart}, // nor such a folder
		{"/d/{in,out}", "/d/out", Inside},
		{"/d/{in,old/out}", "/d/old/out", Inside},
		{"/d/{in,old}/*", "/d/out", Apart},
		{"/d/[a-n]*", "/d/out", Apart},
		{"/d/[a-o]*", "/d/out", Inside},
		{"/d/a[1]", "/d/a[1]/out", Inside},
		{"file:/d", "/d/out", Inside},
	} {
		if got := OverlapByName(c.pattern, c.folder); got != c.want {
			t.Errorf("OverlapByName(%q, %q) = %d, want %d", c.pattern, c.folder, got, c.want)
		}
	}
}

// TestOverlapOf follows links of every kind between what is read and written.
func TestOverlapOf(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"in/a.csv", "in/sub/b.csv", "out/part-0.csv", "big/x.csv", "big/out/part-0.csv", "other/y.csv", "alone/z.csv", "single/b.csv"} {
		write(t, Local{}, filepath.Join(root, name), name)
	}
	for name, to := range map[string]string{
		"linked-in":      "in",
		"linked-out":     "in/out", // not there yet
		"other/to-big":   "../big",
		"alone/one.csv":  "../out/part-0.csv",
		"in/sub/up":      "../../other",
		"to-parent":      ".",
		"single/a.csv":   "../out/part-0.csv",
		"alone/back-out": "../out",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "in/out"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pattern, folder string
		want            Overlap
	}{
		{"in", "new", Apart},
		{"in", "in/new", Inside},
		{"in/*.csv", "in/new", Apart},
		{"in/*.csv", "in", Around},
		{"linked-in", "in/new", Inside},
		{"in", "linked-in/new", Inside},
		{"in", "linked-out", Inside},
		{"in", "linked-out/new", Inside},
		{"linked-in/*", "in/sub/new", Inside},
		{"to-parent/in", "in/new", Inside},
		{"in", "to-parent/to-parent/in/new", Inside},
		{"in", "other/../in/new", Inside},
		{"in/../in", "in/new", Inside},
		{"other", "big/new", Inside}, // through a link in what is read
		{"in", "big/new", Inside},    // through two
		{"other/*.csv", "big/new", Apart},
		{"alone", "out", Inside}, // through a link to it
		{"alone/one.csv", "out", Around},
		{"alone/z.csv", "out", Apart},
		{"single", "out", Around}, // a link to a file of it
		{"alone/*", "elsewhere", Apart},
		{"nothing", "new", Apart},
		{"new/*", "new/out", Inside},
	} {
		got, err := OverlapOf(t.Context(), root+"/"+c.pattern, root+"/"+c.folder)
		if err != nil || got != c.want {
			t.Errorf("OverlapOf(%q, %q) = %d, %v, want %d", c.pattern, c.folder, got, err, c.want)
		}
	}
}

// TestMatchIsOutermost: the contents of a matched folder are not matched again.
func TestMatchIsOutermost(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a/x", "a/b/y", "a-b/z"} {
		write(t, Local{}, filepath.Join(root, name), name)
	}
	for pattern, want := range map[string]string{"{a,a/b,a/x}": "a", "**": ".", "{a*,a/b/y}": "a a-b", "a/**": "a", "*/*": "a-b/z a/b a/x", "**/b": "a/b"} {
		found, err := Local{}.Match(t.Context(), root+"/"+pattern)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, info := range found {
			rel, _ := filepath.Rel(root, info.Path)
			names = append(names, rel)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}
