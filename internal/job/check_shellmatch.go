package job

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// shellMatch lists what a path of a job file names for a shell: *, ? and [a-z]
// match within a name, ** matches folders at every depth, and a wildcard passes
// over names that begin with a dot. Names with an underscore are program files
// (__init__.py), unlike in a folder of data. A path that is there, or has no
// wildcard, names itself. dir is the job file's folder, whose own path is no
// pattern. Sorted; the error is filepath.ErrBadPattern.
func shellMatch(dir, pattern string) ([]string, error) {
	if _, err := os.Lstat(pattern); err == nil || !globMeta.MatchString(pattern) {
		return []string{pattern}, nil // what is not there is told by who looks at it
	}
	if rel, err := filepath.Rel(dir, pattern); err == nil && filepath.IsLocal(rel) {
		return matchBelow(dir, rel)
	}
	return matchBelow("/", strings.TrimPrefix(pattern, "/"))
}

// matchBelow lists the matches of a pattern of names below a folder.
func matchBelow(folder, pattern string) ([]string, error) {
	name, rest, more := strings.Cut(pattern, "/")
	if name == "**" {
		return matchDeep(folder, rest, more)
	}
	found, err := filepath.Glob(filepath.Join(globEscape(folder), name))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, path := range found {
		if hidden := strings.HasPrefix(filepath.Base(path), "."); hidden && !strings.HasPrefix(name, ".") {
			continue
		}
		if !more {
			out = append(out, path)
			continue
		}
		below, err := matchBelow(path, rest)
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

// matchDeep lists the matches of the rest of a pattern in a folder and in all
// below it, without following links.
func matchDeep(folder, rest string, more bool) ([]string, error) {
	if !more {
		rest = "*"
	}
	out, err := matchBelow(folder, rest)
	entries, _ := os.ReadDir(folder) // what cannot be listed has no matches, as in a shell
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || slices.Contains(notShipped, e.Name()) || err != nil {
			continue
		}
		var below []string
		below, err = matchDeep(filepath.Join(folder, e.Name()), rest, true)
		out = append(out, below...)
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

var globMeta = regexp.MustCompile(`[*?\[\\]`)

func globEscape(path string) string { return globMeta.ReplaceAllString(path, `\$0`) }
