package job

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// submission is the part of the plan that spark-submit is told.
func (s *Spec) submission(env Environment, l layout) Submission {
	sub := Submission{
		Master: l.master.url, DeployMode: s.Spark.DeployMode, Name: s.Name,
		Conf:     s.settings(env, l),
		PyFiles:  []string{filepath.Join(env.Scratch, "tfos.zip")},
		App:      filepath.Join(env.Scratch, "app.py"),
		PlanFile: filepath.Join(env.Scratch, "plan.json"),
	}
	if !l.master.where.place().withDriver {
		sub.Executors, sub.ExecutorCores, sub.HeapMiB = l.executors, l.executorCores, l.heapMiB
	}
	sub.MemberMiB = s.memberMemory().MiB()
	if s.inCluster() {
		sub.Files = append([]string{sub.PlanFile}, s.files(env.Scratch)...)
	}
	return sub
}

// SparkSubmit is the command that runs the plan; submit is the path of
// spark-submit. In cluster mode the application finds its plan by base name.
func (p *Plan) SparkSubmit(submit string) []string {
	sub := p.Submission
	argv := []string{submit, "--master", sub.Master, "--deploy-mode", sub.DeployMode, "--name", sub.Name}
	for _, name := range slices.Sorted(maps.Keys(sub.Conf)) {
		argv = append(argv, "--conf", name+"="+sub.Conf[name])
	}
	plan := sub.PlanFile
	if len(sub.Files) > 0 {
		argv = append(argv, "--files", strings.Join(sub.Files, ","))
		plan = filepath.Base(plan)
	}
	return append(argv, "--py-files", strings.Join(sub.PyFiles, ","), sub.App, plan)
}
