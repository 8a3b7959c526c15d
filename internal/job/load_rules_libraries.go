package job

import (
	"path"
	"regexp"
	"strings"
)

// onExecutors begins the path of a library that lies on every executor, as in
// Spark's own settings.
const onExecutors = "local:"

// packageName is the name of a Python package.
var packageName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)

// isLibraryFile tells an entry of tensorflow.op_libraries that is a file of this
// machine.
func isLibraryFile(entry string) bool { return strings.HasPrefix(entry, "/") }

// opLibraries checks tensorflow.op_libraries.
func (r *rules) opLibraries() {
	taken := map[string]string{}
	for i, entry := range r.s.TensorFlow.OpLibraries {
		at, base := indexed("tensorflow.op_libraries", i), path.Base(entry)
		rest, there := strings.CutPrefix(entry, onExecutors)
		switch {
		case there && !path.IsAbs(rest):
			r.broken(at, entry, "must be local: and the absolute path of a file on executors")
		case there:
		case IsURL(entry):
			r.broken(at, entry, "must be a file of this machine, local:/path for one on executors, or a Python package")
		case isLibraryFile(entry) && taken[base] != "":
			r.broken(at, entry, "has the same file name as %s: they are shipped into one folder", taken[base])
		case isLibraryFile(entry) && strings.Contains(entry, ",") && r.s.forSpark().InCluster():
			r.broken(at, entry, "must have no comma: spark-submit --files takes a list")
		case isLibraryFile(entry):
			taken[base] = at
		case strings.HasSuffix(entry, ".so"):
			r.broken(at, entry, "is taken for a Python package: write ./%s for a file", entry)
		case !packageName.MatchString(entry):
			r.broken(at, entry, "must be the path of a library, or the name of a Python package")
		}
	}
}
