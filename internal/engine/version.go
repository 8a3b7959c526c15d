package engine

import "fmt"

// What the engine is run with: scripts/versions/matrix.py, against which a test
// holds these. It calls TensorFlow's C API only, which others have too.
const (
	testedMajor              = 2
	oldestMinor, newestMinor = 16, 21
)

// Untested says that nobody has tried this TensorFlow (Version); "": it is tested.
func Untested(version string) string {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && major == testedMajor && oldestMinor <= minor && minor <= newestMinor {
		return ""
	}
	return fmt.Sprintf("tfos is tested with TensorFlow %d.%d to %d.%d, and here is %s", testedMajor, oldestMinor, testedMajor, newestMinor, version)
}
