package launch

import "strings"

// Child describes a run, as far as the environment of its processes depends on
// it.
type Child struct {
	Run     string
	Scratch Scratch
	// ThisMachine says that executors run on this machine, as children of the
	// driver.
	ThisMachine bool
	// Light says that no rows pass through the JVM of spark-submit. It then
	// compiles less.
	Light bool
}

// lightJVM keeps a JVM from optimizing what it runs for seconds only: that takes
// a third of the time of a short job. scripts/tfos/start.py tells executors the same.
const lightJVM = "-XX:TieredStopAtLevel=1"

// Environ returns base with the mark of the run, and with temporary files
// inside scratch. It is for children that are not Spark.
func (c Child) Environ(base Environ) Environ {
	return base.With("TFOS_RUN", c.Run).With("TMPDIR", c.Scratch.Path(tmpFolder))
}

// Environ returns base with the Spark and the Python to use, the mark of the
// run, and temporary files inside scratch. These are the files of Python and of
// local masters. Removing scratch removes them, however the processes ended.
// Settings of the executors' JVMs and Python are in the job's Spark settings,
// which a dry run shows. Only lightJVM is set elsewhere.
func (s Spark) Environ(base Environ, c Child) Environ {
	// Without this option each JVM writes a file to /tmp/hsperfdata_USER,
	// whatever java.io.tmpdir says. A killed JVM leaves it there.
	options := withoutPerfData(base.Get("SPARK_SUBMIT_OPTS"))
	if c.Light {
		options = lightJVM + " " + options
	}
	env := c.Environ(base).With("SPARK_HOME", s.Home).
		With("PYSPARK_DRIVER_PYTHON", s.Python.Path).
		With("SPARK_SUBMIT_OPTS", withTempFolder(c.Scratch, options)).
		With("SPARK_LAUNCHER_OPTS", lightJVM+" "+withoutPerfData(base.Get("SPARK_LAUNCHER_OPTS")))
	if locale := effectiveLocale(base); locale == "" || locale == "C" || locale == "POSIX" {
		// In this locale Java 17 cannot open a path with characters beyond
		// ASCII. cron and containers have no locale.
		env = env.With("LC_ALL", "C.UTF-8")
	}
	if c.ThisMachine {
		// It overrides spark.local.dir, so the user's own value must not stay.
		env = env.With("SPARK_LOCAL_DIRS", c.Scratch.Path(localFolder))
	}
	return env
}

func withoutPerfData(options string) string {
	return strings.TrimSpace(options + " -XX:-UsePerfData")
}

// withTempFolder puts the driver's temporary files into scratch. The user's own
// option follows and takes precedence.
func withTempFolder(s Scratch, options string) string {
	folder := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.Path(tmpFolder))
	return `"-Djava.io.tmpdir=` + folder + `" ` + options
}

// effectiveLocale returns the locale of file names, by POSIX's order of
// precedence.
func effectiveLocale(env Environ) string {
	for _, key := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := env.Get(key); value != "" {
			return value
		}
	}
	return ""
}
