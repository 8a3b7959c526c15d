package shellglob

import (
	"path"
	"strings"
)

// Check returns path.ErrBadPattern for a pattern with a bracket that is not closed.
func Check(pattern string) error {
	for name := range strings.SplitSeq(path.Clean(pattern), "/") {
		if _, err := path.Match(name, ""); err != nil {
			return err
		}
	}
	return nil
}

// HasWildcard tells whether a pattern has characters that stand for others. One without
// names itself.
func HasWildcard(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }

// Match tells whether a pattern names a file, or a folder that the file is in. "." is the
// folder that both are relative to.
func Match(pattern, file string) bool {
	return matchNames(split(pattern), strings.Split(file, "/"))
}

func matchNames(pattern, names []string) bool {
	if len(pattern) == 0 {
		return true
	}
	if len(names) == 0 {
		return false
	}
	for _, rest := range next(pattern, names[0], true) {
		if matchNames(rest, names[1:]) {
			return true
		}
	}
	return false
}

// split returns the names of a pattern; none for ".".
func split(pattern string) []string {
	pattern = path.Clean(pattern)
	if pattern == "." {
		return nil
	}
	names := strings.Split(pattern, "/")
	if names[len(names)-1] == "**" { // all that is there, at every depth
		names = append(names, "*")
	}
	return names
}

// next returns what is left of a pattern behind a name: one pattern for each way in which
// the pattern's first names can stand for the name. deep: ** may stand for the name.
func next(pattern []string, name string, deep bool) [][]string {
	first, rest := pattern[0], pattern[1:]
	hidden := strings.HasPrefix(name, ".") && !strings.HasPrefix(first, ".")
	if first == "**" {
		left := next(rest, name, deep)
		if deep && !hidden {
			left = append(left, pattern)
		}
		return left
	}
	if same, err := path.Match(first, name); first == name || err == nil && same && !hidden {
		return [][]string{rest}
	}
	return nil
}
