package job

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tfos/internal/cluster"
)

// elsewhere are Spark settings that have a key of their own in the job file.
var elsewhere = map[string]string{
	"spark.master":            "spark.master",
	"spark.submit.deployMode": "spark.deploy_mode",
	"spark.app.name":          "name",
	"spark.submit.pyFiles":    "app.python.py_files",
}

// owned are Spark settings that a run depends on: another value is refused.
var owned = []string{
	"spark.cores.max",
	"spark.dynamicAllocation.enabled",
	"spark.executor.cores",
	"spark.executor.instances",
	"spark.executorEnv.TFOS_RUN",
	"spark.scheduler.maxRegisteredResourcesWaitingTime",
	"spark.scheduler.minRegisteredResourcesRatio",
	"spark.speculation",
	"spark.task.cpus",
}

var confName = regexp.MustCompile(`^spark\.[^\s=]+$`)

func (r *rules) spark() {
	s := r.s.forSpark()
	r.oneOf("spark.deploy_mode", s.Spark.DeployMode, "client", "cluster")
	_, ok := parseMaster(s.Spark.Master)
	if s.Spark.Master != "" && !ok {
		r.broken("spark.master", s.Spark.Master,
			"must be local[n], local-cluster[n,cores,MiB], spark://host:port, yarn, k8s://… or mesos://…")
	} else if m := s.layout().master; s.InCluster() && !m.where.place().clusterMode {
		r.broken("spark.deploy_mode", "cluster",
			"Spark refuses Python applications in cluster mode on %s: use client", m.where)
	}
	r.recordDir()
	r.conf()
}

func (r *rules) conf() {
	s := r.s.forSpark()
	ours := s.ownedConf()
	ofRun := s.Where().runConf("", "", s.InCluster())
	for _, name := range slices.Sorted(maps.Keys(s.Spark.Conf)) {
		value, path := s.Spark.Conf[name], "spark.conf."+name
		shown := value
		if secret(name) {
			shown = masked
		}
		if !confName.MatchString(name) {
			r.broken(path, shown, "is no Spark setting: they begin with spark.")
		} else if key, ok := elsewhere[name]; ok {
			r.broken(path, shown, "has a key of its own: %s", key)
		} else if (name == executorGPUs || name == taskGPUs) && !sameSetting(value, cmp.Or(ours[name], "0")) {
			r.broken(path, shown, "%s", because(name, ours[name]))
		} else if slices.Contains(owned, name) && !sameSetting(value, ours[name]) {
			r.broken(path, shown, "%s", because(name, ours[name]))
		} else if _, named := ofRun[name]; named && name != cluster.YARNTags {
			r.broken(path, shown, "is set by tfos: by it the run is known")
		} else if strings.ContainsAny(value, "\x00\n") {
			r.broken(path, shown, "must be one line")
		}
	}
	if text, ok := s.Spark.Conf["spark.executor.memory"]; ok {
		_, withUnit := parseMemory(text)
		_, plain := parseMemory(text + "m")
		if !withUnit && !plain {
			r.broken("spark.conf.spark.executor.memory", text, "must be a size such as 1g")
		}
	}
	if text, ok := s.Spark.Conf["spark.task.maxFailures"]; ok {
		if n, err := strconv.Atoi(text); err != nil || n < 1+s.Retries.Generations {
			r.broken("spark.conf.spark.task.maxFailures", text, "must be %d or more", 1+s.Retries.Generations)
		}
	}
}

// because says what tfos sets, and which key changes it.
func because(name, value string) string {
	text := "is not for the user to set"
	if value != "" {
		text = fmt.Sprintf("is set by tfos to %s", value)
	}
	switch name {
	case "spark.cores.max", "spark.executor.instances":
		text += ": cluster_size decides"
	case executorGPUs, taskGPUs:
		text += ": resources.*.gpus decides"
	case "spark.executor.cores", "spark.task.cpus":
		text += ": resources.*.cores decides"
	case "spark.scheduler.maxRegisteredResourcesWaitingTime", "spark.scheduler.minRegisteredResourcesRatio":
		text += ": the driver waits for executors itself, for half of timeouts.reservation"
	}
	return text
}

// sameSetting compares two values as Spark reads them: 1 is 1.0, TRUE is true.
func sameSetting(a, b string) bool {
	if strings.EqualFold(strings.TrimSpace(a), b) {
		return true
	}
	x, errX := strconv.ParseFloat(strings.TrimSpace(a), 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

// forSpark is the job as Spark would run it.
func (s *Spec) forSpark() *Spec {
	c := *s
	c.Local = false
	return &c
}

// withoutSpark refuses what a job with local: true needs Spark for.
func (r *rules) withoutSpark() {
	s := r.s
	if s.Where().Spark() {
		return
	}
	if line, ok := s.source.lines["spark.master"]; ok && line < 0 { // on the command line, beside --local
		r.broken("spark.master", s.Spark.Master, "does not apply to local: true: say where the job runs, once")
	}
	const needs = "needs Spark: it does not apply to local: true"
	for _, src := range s.sources() {
		switch {
		case src.Table != "":
			r.broken(join(src.path, "table"), src.Table, needs)
		case src.SQL != "":
			r.broken(join(src.path, "sql"), src.SQL, needs)
		case s.readBy(src.Source) == bySpark:
			r.broken("read_by", bySpark, needs)
		}
	}
}
