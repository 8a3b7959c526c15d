package launch

import (
	"context"
	"fmt"
	"strings"

	"tfos/internal/exit"
)

// What tfos is run with: scripts/versions/matrix.py, against which a test holds
// these. An older one is refused, a newer one may work.
var (
	oldestSpark, newestSpark   = Version{3, 4}, Version{4, 3}
	oldestPython, newestPython = Version{3, 10}, Version{3, 13}
)

// sparkNeeds says with which Python and Java a Spark runs, from a version on.
// The oldest Python is that of tfos. The zero of a newest one: none is known
// not to work.
var sparkNeeds = []struct {
	since                 Version
	newestPython          Version
	leastJava, newestJava int
}{
	// PySpark 3.4 imports typing.io, which Python 3.13 lacks. Java 23 and newer
	// refuse Subject.getSubject, which Hadoop 3.3 calls.
	{Version{3, 4}, Version{3, 12}, 8, 22},
	{Version{3, 5}, Version{}, 8, 22},
	{Version{4, 0}, Version{}, 17, 0}, // class files of Java 17
}

// distutilsGone is the first Python without distutils, which PySpark before 4
// imports wherever pandas or pyarrow come in. setuptools brings it.
var distutilsGone = Version{3, 12}

// Uses are the Pythons of this machine that a run uses beside its driver's. On
// a cluster those of the executors are not known.
type Uses struct {
	// Worker is Spark's own Python on executors of this machine; "": they are
	// elsewhere, or no row has to go through it.
	Worker string
	// Arrow says that rows must go through Spark's Python, wherever it is.
	Arrow bool
	// Program runs the job's program on this machine; "": elsewhere, or none.
	Program string
}

// CheckVersions refuses what is known not to work together, with the code
// NoSpark, before anything is started. Its warnings, a line each, say what
// nobody has tried.
func CheckVersions(ctx context.Context, s Search, spark Spark, uses Uses) (warnings []string, err error) {
	if why := spark.clash(); why != "" {
		return nil, fail(exit.NoSpark, "preflight", "%s", why)
	}
	if uses.Arrow {
		worker := spark.Python
		if uses.Worker != "" {
			if worker, err = s.another(ctx, spark.Python, uses.Worker); err != nil {
				return nil, err
			}
		}
		if why := spark.arrowClash(worker); why != "" {
			return nil, fail(exit.NoSpark, "preflight", "%s", why)
		}
	}
	if uses.Program != "" {
		// One that does not run is the program's failure, and told as such.
		if p, err := s.another(ctx, spark.Python, uses.Program); err == nil && p.Refused != "" {
			return nil, fail(exit.NoSpark, "preflight", "%s (%s)", p.Refused, p.Path)
		}
	}
	if v := parseVersion(spark.Version); newestSpark.before(v) {
		warnings = append(warnings, fmt.Sprintf("Spark %s is newer than tfos is tested with, %s at most", spark.Version, newestSpark))
	}
	if v := spark.Python.Version; newestPython.before(v) {
		warnings = append(warnings, fmt.Sprintf("Python %s is newer than tfos is tested with, %s at most", v, newestPython))
	}
	return warnings, nil
}

// another asks the Python at path, unless it is the one that was asked before.
func (s Search) another(ctx context.Context, asked Python, path string) (Python, error) {
	if path == asked.Path {
		return asked, nil
	}
	if !strings.Contains(path, "/") {
		found, err := s.look(path)
		if err != nil {
			return Python{}, fail(exit.NoSpark, "find python", "Spark's Python %q (PYSPARK_PYTHON, spark.pyspark.python): %v: install it, or name another", path, err)
		}
		path = found
	}
	return s.askPython(ctx, path)
}

// clash says why the driver's Python, Spark and Java cannot work together; "":
// they can, as far as is known.
func (s Spark) clash() string {
	python, spark := s.Python.Version, parseVersion(s.Version)
	if python.known() && python.before(oldestPython) {
		return fmt.Sprintf("Python %s (%s) is too old, tfos needs %s or newer: install one, and name it as TFOS_PYTHON", python, s.Python.Path, oldestPython)
	}
	if !spark.known() {
		return ""
	}
	if spark.before(oldestSpark) {
		return fmt.Sprintf("Spark %s (%s: %s) is too old, tfos needs %s or newer: set SPARK_HOME to another, or run: %s -m pip install pyspark==3.5.9", s.Version, s.Source, s.Home, oldestSpark, s.Python.Path)
	}
	need := sparkNeeds[0]
	for _, n := range sparkNeeds {
		if !spark.before(n.since) {
			need = n
		}
	}
	switch {
	case need.newestPython.known() && need.newestPython.before(python):
		return fmt.Sprintf("Spark %s does not run with Python %s (%s): name a Python of at most %s as TFOS_PYTHON, or use Spark 3.5 or newer", s.Version, python, s.Python.Path, need.newestPython)
	case s.Java > 0 && s.Java < need.leastJava:
		return fmt.Sprintf("Spark %s needs Java %d or newer, and here is Java %d: install the package openjdk-17-jre-headless, or set JAVA_HOME", s.Version, need.leastJava, s.Java)
	case need.newestJava > 0 && s.Java > need.newestJava:
		return fmt.Sprintf("Spark %s does not run on Java %d: install the package openjdk-17-jre-headless, or set JAVA_HOME to a Java of at most %d", s.Version, s.Java, need.newestJava)
	}
	return ""
}

// arrowClash says why Spark's Python workers cannot take rows as Arrow batches.
func (s Spark) arrowClash(worker Python) string {
	for _, p := range []Python{s.Python, worker} {
		if v := parseVersion(s.Version); v.known() && v.Major < 4 && !p.Version.before(distutilsGone) && !p.Distutils {
			return fmt.Sprintf("PySpark %s imports distutils, which Python %s no longer has: run: %s -m pip install setuptools", s.Version, p.Version, p.Path)
		}
	}
	if s.Python.Version != worker.Version {
		return fmt.Sprintf("the driver's Python is %s (%s) and that of executors %s (%s), and Spark wants one minor version: set TFOS_PYTHON or PYSPARK_PYTHON", s.Python.Version, s.Python.Path, worker.Version, worker.Path)
	}
	return ""
}
