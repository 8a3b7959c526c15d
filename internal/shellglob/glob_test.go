package shellglob

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, root string, files ...string) {
	t.Helper()
	for _, name := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// list is List below root, with paths relative to it.
func list(t *testing.T, root, pattern string, skip ...string) []string {
	t.Helper()
	found, err := List(root, pattern, skip)
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	for i := range found {
		if found[i], err = filepath.Rel(root, found[i]); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// listed tells whether a file, or a folder that it is in, was found.
func listed(found []string, file string) bool {
	return slices.ContainsFunc(found, func(f string) bool { return f == "." || f == file || strings.HasPrefix(file, f+"/") })
}

// Match says so of the path, and List of a folder with that one file.
func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern string
		yes, no []string
	}{
		{"logs", []string{"logs", "logs/a", "logs/a/b", "logs/.hidden"}, []string{"a/logs", "logs2"}},
		{"./logs/", []string{"logs/a"}, []string{"log"}},
		{".", []string{"a", "a/b", ".hidden"}, nil},
		{"*.txt", []string{"a.txt", "a.txt/in a folder of that name"}, []string{"a.txt2", ".a.txt", "b/a.txt"}},
		{"*", []string{"a", "a/b", "a/.b"}, []string{".a"}},
		{".*", []string{".a"}, []string{"a"}},
		{"[.]a", nil, []string{".a"}},
		{"**", []string{"a", "a/b", "a/.b"}, []string{".a/b"}},
		{"**/*.txt", []string{"a.txt", "b/a.txt", "c/b/a.txt"}, []string{"c/.b/a.txt", "a.csv"}},
		{"**/.b/*", []string{"c/.b/a.txt", ".b/a"}, []string{".c/.b/a", "c/.b/.a"}},
		{"**/**/x", []string{"x", "a/b/c/x"}, []string{"a/b"}},
		{"runs/**/events*", []string{"runs/events.1", "runs/a/b/events.1"}, []string{"events.1", "runs/a/b"}},
		{"runs/**", []string{"runs/a", "runs/a/b"}, []string{"runs", "run/a"}},
		{"m[12].bin", []string{"m1.bin", "m[12].bin"}, []string{"m3.bin"}},
		{"m[12]/*.bin", []string{"m1/a.bin", "m[12]/a.bin"}, []string{"m3/a.bin"}},
		{"m[^12]", []string{"m3"}, []string{"m1"}},
		{`a\*`, []string{"a*"}, []string{"ab"}},
		{"model?", []string{"model1"}, []string{"model", "model12"}},
		{"a/b/*", []string{"a/b/c"}, []string{"a/b", "a/c"}},
	} {
		for _, c := range []struct {
			files []string
			want  bool
		}{{test.yes, true}, {test.no, false}} {
			for _, file := range c.files {
				if Match(test.pattern, file) != c.want {
					t.Errorf("Match: %s names %s: %v", test.pattern, file, !c.want)
				}
				root := t.TempDir()
				write(t, root, file)
				if found := list(t, root, test.pattern); listed(found, file) != c.want {
					t.Errorf("List: %s finds %q, of %s", test.pattern, found, file)
				}
			}
		}
	}
}

// Match and List agree on all patterns of up to three of these names.
func TestMatchAndListAgree(t *testing.T) {
	root := t.TempDir()
	var files []string
	for _, a := range []string{"a", "ab", ".b"} {
		for _, b := range []string{"a", ".b"} {
			for _, c := range []string{"a", "ab", ".b"} {
				files = append(files, path.Join(a, b, c))
			}
		}
	}
	write(t, root, files...)
	patterns, compared := [][]string{nil}, 0
	for range 3 {
		var longer [][]string
		for _, p := range patterns {
			for _, name := range []string{"a", ".b", "*", "?", ".*", "[ab]*", "**"} {
				longer = append(longer, append(slices.Clone(p), name))
			}
		}
		patterns = longer
		for _, p := range patterns {
			pattern := strings.Join(p, "/")
			found := list(t, root, pattern)
			if !slices.IsSorted(found) || len(slices.Compact(slices.Clone(found))) != len(found) {
				t.Errorf("%s: %q is not sorted, or has a path twice", pattern, found)
			}
			for _, file := range files {
				if compared++; Match(pattern, file) != listed(found, file) {
					t.Errorf("%s and %s: Match says %v, List finds %q", pattern, file, Match(pattern, file), found)
				}
			}
		}
	}
	if compared != 18*(7+49+343) {
		t.Errorf("%d comparisons", compared)
	}
}

// Only a name that the pattern spells leads through a link, or into a folder of skip.
func TestListLinksAndSkipped(t *testing.T) {
	root := t.TempDir()
	write(t, root, "pkg/a.py", "pkg/.git/b.py", "pkg/cache/c.py")
	if err := os.Symlink("pkg", filepath.Join(root, "linked")); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string][]string{
		"**/*.py":       {"pkg/a.py"},
		"*/*.py":        {"linked/a.py", "pkg/a.py"},
		"linked/*.py":   {"linked/a.py"},
		"**/linked/*":   {"linked/a.py", "linked/cache"},
		"linked/**/*.*": {"linked/a.py"},
		"pkg/cache/*":   {"pkg/cache/c.py"},
		"pkg/.git/*":    {"pkg/.git/b.py"},
		"none/*":        {},
		"pkg/a.py/*":    {},
	} {
		if got := list(t, root, pattern, "cache"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

// A folder that cannot be listed is passed through by names. The superuser can list every
// folder, hence the look at entries.
func TestListThroughAFolderThatCannotBeListed(t *testing.T) {
	root := t.TempDir()
	write(t, root, "closed/in/a.py")
	closed := filepath.Join(root, "closed")
	if err := os.Chmod(closed, 0o300); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	if got := list(t, root, "closed/in/*.py"); !slices.Equal(got, []string{"closed/in/a.py"}) {
		t.Errorf("%q", got)
	}
	write(t, root, "beside")
	if got := entries(root, "closed"); len(got) != 1 || got[0].Name() != "closed" {
		t.Errorf("a name without wildcards: the folder was listed: %v", got)
	}
}

func TestCheck(t *testing.T) {
	for _, pattern := range []string{"[x", "a/[x", "[a/b]", `a\`, "**/[x/*.py"} {
		if err := Check(pattern); !errors.Is(err, path.ErrBadPattern) {
			t.Errorf("%s: %v", pattern, err)
		}
		if found, err := List(t.TempDir(), pattern, nil); !errors.Is(err, path.ErrBadPattern) {
			t.Errorf("%s: %q, %v", pattern, found, err)
		}
	}
	for _, pattern := range []string{".", "a/b", "**/*.py", "m[12]", `a\[`} {
		if err := Check(pattern); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	if HasWildcard("a/b.c-{d}") || !HasWildcard("a[") || !HasWildcard("?") || !HasWildcard("**") || !HasWildcard(`\a`) {
		t.Error("HasWildcard")
	}
}
