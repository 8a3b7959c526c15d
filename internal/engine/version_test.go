package engine

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestUntested(t *testing.T) {
	for version, want := range map[string]bool{
		"2.15.1": true, "2.16.0": false, "2.21.0": false, "2.22.0-dev20260101": true, "3.0.0": true, "": true,
	} {
		if got := Untested(version); (got != "") != want || want && !strings.HasSuffix(got, "here is "+version) {
			t.Errorf("%s: %q", version, got)
		}
	}
}

// The bounds are those of the tested matrix, and of the warning to programs.
func TestMatrixBounds(t *testing.T) {
	matrix, err := os.ReadFile("../../scripts/versions/matrix.py")
	if err != nil {
		t.Fatal(err)
	}
	for minor := oldestMinor - 1; minor <= newestMinor+1; minor++ {
		tested := oldestMinor <= minor && minor <= newestMinor
		if has := strings.Contains(string(matrix), fmt.Sprintf(`Cell("%d.%d.`, testedMajor, minor)); has != tested {
			t.Errorf("TensorFlow %d.%d: in the matrix %v, tested %v", testedMajor, minor, has, tested)
		}
	}
	python, err := os.ReadFile("../../scripts/tfos/versions.py")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("OLDEST_TENSORFLOW, NEWEST_TENSORFLOW = (%d, %d), (%d, %d)\n", testedMajor, oldestMinor, testedMajor, newestMinor); !strings.Contains(string(python), want) {
		t.Errorf("scripts/tfos/versions.py has no line %q", want)
	}
}
