package store

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Patterns are Hadoop's globs, so that Spark and tfos read the same files:
//
//	*      any characters of one name
//	?      one character
//	[a-z]  one of these characters; [^a-z] and [!a-z]: none of them
//	{a,b}  each of these patterns
//	\      the next character is literal
//	**     as a whole name: folders at every depth. Hadoop does not have this
//
// A name in a pattern that has no * and no ? is literal if the folder has an entry of
// exactly this name: files may be called a[1].csv. Hidden names match only if the
// pattern's name begins with the same character.

// IsPattern reports whether a path has characters of patterns.
func IsPattern(path string) bool { return strings.ContainsAny(path, `*?[]{}\`) }

// Literal returns the pattern that matches only this path.
func Literal(path string) string { return special.ReplaceAllString(path, `\$0`) }

var special = regexp.MustCompile(`[*?\[\]{}\\]`)

// maxAlternatives is the largest number of patterns that the braces of one pattern
// may expand to.
const maxAlternatives = 10_000

var (
	errPattern = errors.New("not a pattern")
	errBracket = fmt.Errorf("%w: a bracket is not closed, or is empty", errPattern)
)

// hidden reports whether a name is not data, as Spark decides it. Names with "=" are
// folders of partition columns, which may begin with "_".
func hidden(name string) bool {
	return strings.HasPrefix(name, "_") && !strings.Contains(name, "=") ||
		strings.HasPrefix(name, ".") || strings.HasSuffix(name, copyingSuffix)
}

// copyingSuffix ends the names of files that Hadoop's shell has not copied completely.
const copyingSuffix = "._COPYING_"

// asksForHidden reports whether a pattern explicitly asks for a hidden name.
func asksForHidden(pattern, name string) bool {
	pattern = strings.TrimPrefix(pattern, `\`)
	return strings.HasPrefix(pattern, name[:1]) && strings.ContainsAny(name[:1], "._") ||
		strings.HasSuffix(pattern, copyingSuffix)
}

// cutName cuts a pattern at its first slash that is not in braces.
func cutName(pattern string) (name, rest string) {
	depth := 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth = max(0, depth-1)
		case '/':
			if depth == 0 {
				return pattern[:i], pattern[i+1:]
			}
		}
	}
	return pattern, ""
}

// alternatives expands the first braces of a name: it returns a name for each
// alternative. It returns nil if there are no braces.
func alternatives(name string) (all []string, err error) {
	begin, from, depth := -1, 0, 0
	var parts []string
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '\\':
			i++
		case c == '{':
			if depth++; begin < 0 {
				begin, from = i, i+1
			}
		case c == ',' && depth == 1:
			parts, from = append(parts, name[from:i]), i+1
		case c == '}' && depth > 0:
			if depth--; depth == 0 {
				for _, part := range append(parts, name[from:i]) {
					all = append(all, name[:begin]+part+name[i+1:])
				}
				return all, nil
			}
		}
	}
	if begin >= 0 {
		return nil, errBracket
	}
	return nil, nil
}

// matchName reports whether a pattern without braces and slashes matches a name.
func matchName(pattern, name string) (bool, error) {
	ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	if err != nil {
		return false, errBracket
	}
	return ok && (!hidden(name) || asksForHidden(pattern, name)), nil
}

// unescape returns the one name that a pattern without wildcards matches.
func unescape(pattern string) string {
	var name strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
		}
		name.WriteByte(pattern[i])
	}
	return name.String()
}
