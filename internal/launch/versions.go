package launch

import (
	"context"
	"fmt"
	"strings"

	"tfos/internal/exit"
)

// The versions that tfos is tested with. A test compares them with
// scripts/versions/matrix.py. Older versions are refused. Newer ones may work.
var (
	oldestSpark, newestSpark   = Version{3, 4}, Version{4, 3}
	oldestPython, newestPython = Version{3, 10}, Version{3, 13}
)

// sparkNeeds lists the Python and Java versions that Spark runs with, from a
// Spark version on. The oldest Python is that of tfos. A zero newest version
// means that no limit is known.
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

// distutilsGone is the first Python without distutils. PySpark before 4 imports
// distutils for pandas and pyarrow. setuptools provides it.
var distutilsGone = Version{3, 12}

// Uses are the Pythons of this machine that a run uses besides the driver's.
// The Pythons of a cluster's executors are not known.
type Uses struct {
	// Worker is Spark's own Python on executors of this machine. "": executors
	// are elsewhere, or no row passes through that Python.
	Worker string
	// Arrow says that rows must pass through Spark's Python, on any machine.
	Arrow bool
	// Program is the Python that runs the job's program on this machine. "":
	// the program runs elsewhere, or there is none.
	Program string
}

// CheckVersions returns an error with the code NoSpark for versions that are
// known not to work together. Each warning is a line about versions that were
// not tested. It may run Pythons to ask for their versions.
func CheckVersions(ctx context.Context, s Search, spark Spark, uses Uses) (warnings []string, err error) {
	if why := spark.versionConflict(); why != "" {
		return nil, fail(exit.NoSpark, "preflight", "%s", why)
	}
	if uses.Arrow {
		worker := spark.Python
		if uses.Worker != "" {
			if worker, err = s.askOther(ctx, spark.Python, uses.Worker); err != nil {
				return nil, err
			}
		}
		if why := spark.arrowConflict(worker); why != "" {
			return nil, fail(exit.NoSpark, "preflight", "%s", why)
		}
	}
	if uses.Program != "" {
		// A Python that does not run is reported as the program's failure.
		if p, err := s.askOther(ctx, spark.Python, uses.Program); err == nil && p.Refused != "" {
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

// askOther asks the Python at path, unless it is the one already asked.
func (s Search) askOther(ctx context.Context, asked Python, path string) (Python, error) {
	if path == asked.Path {
		return asked, nil
	}
	if !strings.Contains(path, "/") {
		found, err := s.findExecutable(path)
		if err != nil {
			return Python{}, fail(exit.NoSpark, "find python", "Spark's Python %q (PYSPARK_PYTHON, spark.pyspark.python): %v: install it, or name another", path, err)
		}
		path = found
	}
	return s.askPython(ctx, path)
}

// versionConflict says why the driver's Python, Spark and Java cannot work
// together, or "" if no reason is known.
func (s Spark) versionConflict() string {
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

// arrowConflict says why Spark's Python workers cannot receive rows as Arrow
// batches, or "".
func (s Spark) arrowConflict(worker Python) string {
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
