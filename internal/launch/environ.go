package launch

import "strings"

// Child says what the environment of spark-submit depends on beside Spark.
type Child struct {
	Run     string
	Scratch Scratch
	// ThisMachine: executors are children of the driver, on this machine.
	ThisMachine bool
	// Light: no rows pass the JVM of spark-submit, which then compiles little.
	Light bool
}

// lightJVM keeps a JVM from optimizing what it runs for seconds only: that takes
// a third of the time of a short job. scripts/tfos/start.py tells executors the same.
const lightJVM = "-XX:TieredStopAtLevel=1"

// Environ is base for a child that is no Spark: the mark of the run, and
// temporary files inside scratch.
func (c Child) Environ(base Environ) Environ {
	return base.With("TFOS_RUN", c.Run).With("TMPDIR", c.Scratch.Path(tmpFolder))
}

// Environ is base for the child: which Spark and which Python, the mark of the
// run, and temporary files of Python and of local masters inside scratch, so
// that removing scratch removes them, however those processes ended. What
// executors' JVMs and their Python are told is in the job's Spark settings,
// where a dry run shows it, but for lightJVM.
func (s Spark) Environ(base Environ, c Child) Environ {
	// Without the option each JVM has a file in /tmp/hsperfdata_USER, whatever
	// java.io.tmpdir says, and leaves it there when it is killed.
	options := noPerfData(base.Get("SPARK_SUBMIT_OPTS"))
	if c.Light {
		options = lightJVM + " " + options
	}
	env := c.Environ(base).With("SPARK_HOME", s.Home).
		With("PYSPARK_DRIVER_PYTHON", s.Python.Path).
		With("SPARK_SUBMIT_OPTS", tempIn(c.Scratch, options)).
		With("SPARK_LAUNCHER_OPTS", lightJVM+" "+noPerfData(base.Get("SPARK_LAUNCHER_OPTS")))
	if locale := effectiveLocale(base); locale == "" || locale == "C" || locale == "POSIX" {
		// Java 17 cannot open a path beyond ASCII then; cron and containers have none.
		env = env.With("LC_ALL", "C.UTF-8")
	}
	if c.ThisMachine {
		// It wins over spark.local.dir, so the user's own must not stay.
		env = env.With("SPARK_LOCAL_DIRS", c.Scratch.Path(localFolder))
	}
	return env
}

func noPerfData(options string) string {
	return strings.TrimSpace(options + " -XX:-UsePerfData")
}

// tempIn keeps the driver's temporary files in scratch. The user's own option,
// after ours, wins.
func tempIn(s Scratch, options string) string {
	folder := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.Path(tmpFolder))
	return `"-Djava.io.tmpdir=` + folder + `" ` + options
}

// effectiveLocale is that of file names, by POSIX's order of precedence.
func effectiveLocale(env Environ) string {
	for _, key := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := env.Get(key); value != "" {
			return value
		}
	}
	return ""
}
