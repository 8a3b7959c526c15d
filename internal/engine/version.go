package engine

import "fmt"

// The TensorFlow versions with which the engine is tested. They are those of
// scripts/versions/matrix.py: a test compares them. Other versions may work too,
// because the engine calls only TensorFlow's C API.
const (
	testedMajor              = 2
	oldestMinor, newestMinor = 16, 21
)

// Untested returns a warning if tfos is not tested with this version of TensorFlow,
// else "". version is as Version returns it.
func Untested(version string) string {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && major == testedMajor && oldestMinor <= minor && minor <= newestMinor {
		return ""
	}
	return fmt.Sprintf("tfos is tested with TensorFlow %d.%d to %d.%d, and here is %s", testedMajor, oldestMinor, testedMajor, newestMinor, version)
}
