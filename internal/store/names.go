package store

import (
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
)

// Dir returns the folder that holds path. Unlike path.Dir it leaves the slashes of a
// URL's scheme as they are.
func Dir(p string) string {
	root, rest := cutRoot(p)
	if root == "" {
		return path.Dir(p)
	}
	if dir := path.Dir(rest); dir != "/" && dir != "." {
		return root + dir
	}
	return root + "/"
}

// Join adds names to a folder's path, with one slash between.
func Join(folder string, names ...string) string {
	return strings.TrimRight(folder, "/") + "/" + strings.Join(names, "/")
}

// Canonical returns the URL of a known store that is written with one slash, as Hadoop has
// it: hdfs:/a is hdfs:///a. Other paths stay as they are.
func Canonical(p string) string {
	scheme, rest, found := strings.Cut(p, ":/")
	if !found || strings.HasPrefix(rest, "/") || !schemes[strings.ToLower(scheme)] {
		return p
	}
	return scheme + ":///" + rest
}

// temporaryOf returns a new name for a file that does not have its own name yet, in the
// same folder.
func temporaryOf(base string) string { return fmt.Sprintf(".%s.tmp-%d", base, rand.Uint64()) }

var temporaryBase = regexp.MustCompile(`^\..+\.tmp-\d+$`)

// Temporary reports whether a name is one that Create and Assemble give to files that are
// not complete. If their process is killed, such files stay.
func Temporary(base string) bool { return temporaryBase.MatchString(base) }

// Remote reports whether a path is a URL of a store that is not a local file system.
func Remote(p string) bool {
	scheme, _, found := strings.Cut(p, "://")
	return found && !strings.EqualFold(scheme, "file")
}

// schemes are those for which For has a store, beside file: in lower case. They are those of
// openers. Code that must not touch the machine may ask for them.
var schemes = map[string]bool{"abfs": true, "abfss": true, "gs": true, "hdfs": true, "s3": true, "s3a": true}

// Knows reports whether For has a store for the scheme of path.
func Knows(p string) bool {
	scheme, _, _ := strings.Cut(p, "://")
	return !Remote(p) || schemes[strings.ToLower(scheme)]
}
