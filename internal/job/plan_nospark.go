package job

import (
	"path/filepath"
	"strings"
)

// A job with `local: true` runs on this machine without Spark: tfos-node is the
// driver, and one member takes all cores. What the job file says for Spark is
// left aside, so that one file runs both ways; it must be right all the same.

// onMachine is the job as it is planned: without Spark as one member with all
// cores of the machine, unless the job says how many.
func (s *Spec) onMachine(cores int) *Spec {
	if s.Where().Spark() {
		return s
	}
	c := *s
	c.ClusterSize = 1
	if !s.source.given("resources.worker.cores") {
		c.Resources.Worker.Cores = max(1, cores)
	}
	return &c
}

// leftAside are the keys that the job gives for Spark alone.
func (s *Spec) leftAside() []string {
	var out []string
	for _, key := range []string{"cluster_size", "spark.conf", "spark.deploy_mode", "spark.home", "spark.master"} {
		if !s.Where().Spark() && s.source.given(key) {
			out = append(out, key)
		}
	}
	return out
}

// Command runs the plan; submit is the path of spark-submit, for a plan that
// needs it.
func (p *Plan) Command(submit string) []string {
	if !p.Where.Spark() {
		return []string{p.NodeBinary, "local", filepath.Join(p.Scratch, "plan.json")}
	}
	return p.SparkSubmit(submit)
}

func (p *Plan) explainMachine(line lineWriter) {
	text := "this one, without Spark"
	if len(p.summary.leftAside) > 0 {
		text += "; left aside: " + strings.Join(p.summary.leftAside, ", ")
	}
	line("machine", "%s", text)
	for _, m := range p.Reserve.Members { // one
		line("members", "%s:%d  %s, must succeed", m.Job, m.Index, plural(int64(p.summary.roles[m.Job].Cores), "core"))
	}
}

// Master is where the plan runs, for people.
func (p *Plan) Master() string {
	if !p.Where.Spark() {
		return "this machine"
	}
	return p.Submission.Master
}
