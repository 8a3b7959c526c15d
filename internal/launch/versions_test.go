package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tfos/internal/exit"
)

// Versions that cannot work together are an error with the code NoSpark and a
// remedy. Untested versions give a warning.
func TestCheckVersions(t *testing.T) {
	pythons := t.TempDir()
	python := func(version string, distutils bool, refused string) string {
		path := filepath.Join(pythons, fmt.Sprintf("python%s-%t-%t", version, distutils, refused != ""))
		text := fmt.Sprintf("#!/bin/sh\necho '{\"python\": \"%s\", \"distutils\": %t, \"refused\": \"%s\"}'\n", version, distutils, refused)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const old = "TensorFlow 2.16.2 cannot be imported with numpy 2.1.3: pip install numpy before 2"
	python311, bare312, full312 := python("3.11", true, ""), python("3.12", false, ""), python("3.12", true, "")
	clash311 := python("3.11", true, old)

	for _, tt := range []struct {
		spark, python string
		java          int
		uses          Uses
		refused       []string // all in the message; none: it is not refused
		warning       string
	}{
		{"3.5.9", python311, 17, Uses{}, nil, ""},
		{"3.5.9", python311, 8, Uses{}, nil, ""},
		{"", python311, 0, Uses{Arrow: true}, nil, ""}, // no version is known
		{"3.4.4", full312, 17, Uses{Arrow: true}, nil, ""},
		{"4.3.0", bare312, 25, Uses{Arrow: true}, nil, ""},
		{"3.3.2.3.3.7190", python311, 8, Uses{}, []string{"Spark 3.3.2.3.3.7190", "3.4 or newer", "pip install pyspark"}, ""},
		{"3.4.4", python("3.13", true, ""), 17, Uses{}, []string{"Spark 3.4.4 does not run with Python 3.13", "TFOS_PYTHON"}, ""},
		{"3.5.9", python("3.9", true, ""), 17, Uses{}, []string{"Python 3.9", "3.10 or newer", "TFOS_PYTHON"}, ""},
		{"4.0.5", python311, 11, Uses{}, []string{"Spark 4.0.5 needs Java 17", "here is Java 11", "JAVA_HOME"}, ""},
		{"3.5.9", python311, 25, Uses{}, []string{"Spark 3.5.9 does not run on Java 25", "JAVA_HOME"}, ""},
		{"3.5.9", bare312, 17, Uses{}, nil, ""}, // Go tasks receive the rows
		{"3.5.9", bare312, 17, Uses{Arrow: true}, []string{"distutils", bare312 + " -m pip install setuptools"}, ""},
		{"3.5.9", full312, 17, Uses{Arrow: true, Worker: bare312}, []string{"distutils", bare312 + " -m pip install setuptools"}, ""},
		{"3.5.9", full312, 17, Uses{Arrow: true, Worker: python311}, []string{"3.12", "3.11", "PYSPARK_PYTHON"}, ""},
		{"3.5.9", full312, 17, Uses{Worker: python311}, nil, ""},
		{"3.5.9", full312, 17, Uses{Arrow: true, Worker: "no-such-python"}, []string{"no-such-python", "PYSPARK_PYTHON"}, ""},
		{"3.5.9", python311, 17, Uses{Program: clash311}, []string{old, clash311}, ""},
		{"3.5.9", clash311, 17, Uses{}, nil, ""}, // its TensorFlow is not imported
		{"3.5.9", python311, 17, Uses{Program: "no-such-python"}, nil, ""},
		{"5.0.1", python311, 17, Uses{}, nil, "Spark 5.0.1 is newer"},
		{"4.3.0", python("3.14", true, ""), 17, Uses{}, nil, "Python 3.14 is newer"},
	} {
		search := Search{Env: Environ{"PATH=/none"}, Probe: "facts"}
		driver, err := search.askPython(deadline(t), tt.python)
		if err != nil {
			t.Fatal(err)
		}
		spark := Spark{Home: "/spark", Source: "SPARK_HOME", Version: tt.spark, Java: tt.java, Python: driver}
		warnings, err := CheckVersions(deadline(t), search, spark, tt.uses)
		name := fmt.Sprintf("Spark %s, %s, Java %d, %+v", tt.spark, filepath.Base(tt.python), tt.java, tt.uses)
		if (err != nil) != (tt.refused != nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range tt.refused {
			if err != nil && (CodeOf(err) != exit.NoSpark || !strings.Contains(err.Error(), part)) {
				t.Errorf("%s: %v (code %d), want %q in it", name, err, CodeOf(err), part)
			}
		}
		if got := strings.Join(warnings, "\n"); tt.warning == "" && got != "" || !strings.Contains(got, tt.warning) {
			t.Errorf("%s: warnings %q, want %q", name, got, tt.warning)
		}
	}
}

func TestAskJava(t *testing.T) {
	for text, want := range map[string]int{
		`openjdk version "17.0.15" 2025-04-15`:                                          17,
		`java version "1.8.0_392"`:                                                      8,
		`openjdk version "25" 2025-09-16`:                                               25,
		"Picked up JAVA_TOOL_OPTIONS: -Xmx1g\n" + `openjdk version "11.0.2" 2019-01-15`: 11,
		"a shell script": 0,
	} {
		java := filepath.Join(place(t, map[string]string{"java": "#!/bin/sh\ncat >&2 <<'E'\n" + text + "\nE\n"}), "java")
		if got, err := (Search{Env: Environ{"PATH=/bin:/usr/bin"}}).askJava(deadline(t), java); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	broken := filepath.Join(place(t, map[string]string{"java": "#!/bin/sh\necho no libjvm >&2\nexit 1\n"}), "java")
	if _, err := (Search{}).askJava(deadline(t), broken); CodeOf(err) != exit.NoSpark || !strings.Contains(err.Error(), "no libjvm") {
		t.Errorf("a Java that does not run: %v", err)
	}
}

// The bounds are those of the tested matrix.
func TestMatrixBounds(t *testing.T) {
	text, err := os.ReadFile("../../scripts/versions/matrix.py")
	if err != nil {
		t.Fatal(err)
	}
	var pythons, sparks []Version
	for _, m := range regexp.MustCompile(`Cell\("[^"]*", "([^"]*)", "([^"]*)"\)`).FindAllSubmatch(text, -1) {
		pythons, sparks = append(pythons, parseVersion(string(m[1]))), append(sparks, parseVersion(string(m[2])))
	}
	compare := func(a, b Version) int { return (a.Major-b.Major)*1000 + a.Minor - b.Minor }
	for name, bounds := range map[string][]Version{
		"Python": {slices.MinFunc(pythons, compare), slices.MaxFunc(pythons, compare), oldestPython, newestPython},
		"Spark":  {slices.MinFunc(sparks, compare), slices.MaxFunc(sparks, compare), oldestSpark, newestSpark},
	} {
		if bounds[0] != bounds[2] || bounds[1] != bounds[3] {
			t.Errorf("%s: the matrix has %s to %s, versions.go %s to %s", name, bounds[0], bounds[1], bounds[2], bounds[3])
		}
	}
}
