package job

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"tfos/internal/cluster"
)

// ownedConf is what tfos sets for the settings in owned, as far as it does; the
// run id is known to MakePlan only.
func (s *Spec) ownedConf() map[string]string {
	l := s.layout()
	conf := map[string]string{
		"spark.dynamicAllocation.enabled": "false",
		// The driver itself waits for executors: it can tell what becomes of them.
		"spark.scheduler.minRegisteredResourcesRatio": "0.0",
		"spark.speculation":                           "false",
		"spark.task.cpus":                             "1", // members ask for more by a profile
	}
	place := l.master.where.place()
	if place.withDriver {
		return conf
	}
	maps.Copy(conf, s.ownGPUConf())
	conf["spark.executor.cores"] = strconv.Itoa(l.executorCores)
	if place.instances {
		conf["spark.executor.instances"] = strconv.Itoa(l.executors)
	} else {
		conf["spark.cores.max"] = strconv.Itoa(l.executors * l.executorCores)
	}
	return conf
}

// defaultConf is what tfos sets unless the user does.
func (s *Spec) defaultConf(env Environment, l layout) map[string]string {
	conf := map[string]string{
		// Of the site's spark-defaults.conf: executors die where it is set and there is none.
		"spark.shuffle.service.enabled": "false",
		"spark.task.maxFailures":        strconv.Itoa(max(4, 1+s.Retries.Generations)),
		"spark.ui.enabled":              "false",
		"spark.ui.showConsoleProgress":  "false",
	}
	if python := cmp.Or(s.environmentPython(), env.sparkPython(l.master)); python != "" {
		conf["spark.pyspark.python"] = python
	}
	if env.Python != "" && !s.InCluster() {
		conf["spark.pyspark.driver.python"] = env.Python
	}
	maps.Copy(conf, s.gpuConf())
	place := l.master.where.place()
	if place.address && env.Address != "" && !s.InCluster() {
		conf["spark.driver.host"] = env.Address
	}
	if !place.withDriver {
		// A member's task waits for the executor that the driver names, which may have
		// registered and not launched: elsewhere it would meet another member.
		conf["spark.locality.wait.process"] = fmt.Sprintf("%dms", s.Timeouts.Reservation.Milliseconds()/2)
		conf["spark.executor.memory"] = fmt.Sprintf("%dm", heapMiB)
		conf["spark.executor.memoryOverhead"] = fmt.Sprintf("%dm", s.memberMemory().MiB()+besideMiB)
	}
	if place.thisMachine {
		conf["spark.local.dir"] = filepath.Join(env.Scratch, "spark")
	}
	if place.onceConf != "" && s.InCluster() {
		conf[place.onceConf] = "1" // a second one would run the job again
	}
	return conf
}

// settings is every Spark setting of the run. The user's win over the defaults;
// the owned ones were found equal by validate.
func (s *Spec) settings(env Environment, l layout) map[string]string {
	conf := s.defaultConf(env, l)
	maps.Copy(conf, s.Spark.Conf)
	maps.Copy(conf, s.ownedConf())
	conf["spark.executorEnv.TFOS_RUN"] = env.RunID
	s.addArchives(conf, l.master.where.place().archivesConf)
	record := env.Host + ":" + env.Record
	if s.InCluster() {
		record = s.RecordFolder(env.RunID)
	}
	for name, value := range l.master.where.runConf(env.RunID, cluster.RunKey(env.RunID, record), s.InCluster()) {
		if given := s.Spark.Conf[name]; name == cluster.YARNTags && given != "" {
			value = given + "," + value
		}
		conf[name] = value
	}
	if place := l.master.where.place(); place.thisMachine && !place.withDriver {
		// What executors leave behind goes with the scratch folder. Spark puts the
		// default options before the extra ones, which stay the user's.
		conf["spark.executor.defaultJavaOptions"] = strings.TrimSpace(
			tempOptions(env.Scratch) + " " + conf["spark.executor.defaultJavaOptions"])
	}
	return conf
}

// tempOptions makes a JVM leave nothing outside folder, even when it is killed.
func tempOptions(folder string) string {
	option := "-Djava.io.tmpdir=" + folder
	if strings.ContainsAny(folder, " \t\"'\\") {
		option = `"-Djava.io.tmpdir=` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(folder) + `"`
	}
	return option + " -XX:-UsePerfData"
}

// sparkPython is the interpreter of Spark's own Python workers on executors, ""
// for Spark's choice.
func (env Environment) sparkPython(m master) string {
	if env.PysparkPython == "" && m.here() {
		return env.Python
	}
	return env.PysparkPython
}

// interpreter is the Python that runs a program, or that an engine's
// libtensorflow may be found with.
func (s *Spec) interpreter(env Environment, m master) string {
	if !m.where.Spark() {
		return cmp.Or(env.Python, "python3")
	}
	for _, choice := range []string{
		s.programInterpreter(), s.Spark.Conf["spark.pyspark.python"], s.environmentPython(), env.sparkPython(m),
	} {
		if choice != "" {
			return choice
		}
	}
	return "python3"
}

func (s *Spec) programInterpreter() string {
	if s.App.Python == nil {
		return ""
	}
	return s.App.Python.Interpreter
}
