package job

import (
	"path/filepath"
	"strings"
)

// A job with `local: true` runs on this machine without Spark: tfos-node is the
// driver, and one member takes all cores. What the job file says for Spark and of
// the cluster is left aside, so that one file runs both ways; it must be right all
// the same.

// onMachine is the job as it is planned: without Spark as one member with all
// cores of the machine, unless the job says how many.
func (s *Spec) onMachine(cores int) *Spec {
	if s.Where().Spark() {
		return s
	}
	c := *s
	c.ClusterSize, c.NumPS, c.Chief, c.Evaluator = 1, 0, false, false
	if s.kind == Train {
		c.Strategy = independent
	}
	if !s.source.given("resources.worker.cores") {
		c.Resources.Worker.Cores = max(1, cores)
	}
	return &c
}

// leftAside are the keys that the job gives for Spark or a cluster alone.
func (s *Spec) leftAside() []string {
	var out []string
	for _, key := range []string{"chief", "cluster_size", "evaluator", "feeder", "num_ps", "protocol",
		"resources.chief", "resources.evaluator", "resources.ps",
		"spark.conf", "spark.deploy_mode", "spark.home", "spark.master", "strategy"} {
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
		role := p.summary.roles[m.Job]
		text := plural(int64(role.Cores), "core") + role.explainGPUs()
		if len(m.Feeds) > 0 {
			text += ", fed " + strings.Join(m.Feeds, " and ")
		}
		line("members", "%s:%d  %s, must succeed", m.Job, m.Index, text)
	}
}

// Master is where the plan runs, for people.
func (p *Plan) Master() string {
	if !p.Where.Spark() {
		return "this machine"
	}
	return p.Submission.Master
}
