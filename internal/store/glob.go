package store

import (
	"errors"
	"path"
	"regexp"
	"strings"
)

// Patterns are Hadoop's globs, so that Spark and this program read the same files:
//
//	*      any characters of one name
//	?      one character
//	[a-z]  one of these characters; [^a-z] and [!a-z]: none of them
//	{a,b}  each of these patterns
//	\      takes the next character as it is
//	**     as a whole name: folders at every depth, which Hadoop does not have
//
// A name in a folder that is written as the pattern, and has no * and no ?, is
// taken literally: files may be called a[1].csv. Hidden names are passed over
// unless the pattern's name begins with the same character.

// IsPattern tells whether a path has characters of patterns.
func IsPattern(path string) bool { return strings.ContainsAny(path, `*?[]{}\`) }

// Literal is the pattern that matches a path alone.
func Literal(path string) string { return special.ReplaceAllString(path, `\$0`) }

var special = regexp.MustCompile(`[*?\[\]{}\\]`)

// mostAlternatives bounds what the braces of one pattern stand for.
const mostAlternatives = 10_000

var errPattern = errors.New("not a pattern: a bracket is not closed, or is empty")

// hidden says that a name is no data, as Spark has it: columns may begin with "_".
func hidden(name string) bool {
	return strings.HasPrefix(name, "_") && !strings.Contains(name, "=") ||
		strings.HasPrefix(name, ".") || strings.HasSuffix(name, copying)
}

// copying ends the names of files that Hadoop's shell has not copied whole.
const copying = "._COPYING_"

// spelled tells whether a pattern asks for a hidden name.
func spelled(pattern, name string) bool {
	pattern = strings.TrimPrefix(pattern, `\`)
	return strings.HasPrefix(pattern, name[:1]) && strings.ContainsAny(name[:1], "._") ||
		strings.HasSuffix(pattern, copying)
}

// cutName cuts a pattern after its first name: a slash in braces is theirs.
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

// alternatives replaces the first braces of a name by each of what they hold;
// nil: there are none.
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
		return nil, errPattern
	}
	return nil, nil
}

// matchName matches one name with a pattern that has no braces and no slash.
func matchName(pattern, name string) (bool, error) {
	ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	if err != nil {
		return false, errPattern
	}
	return ok && (!hidden(name) || spelled(pattern, name)), nil
}

// unescape is the name that a pattern without wildcards stands for.
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
