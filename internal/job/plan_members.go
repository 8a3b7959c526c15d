package job

import (
	"maps"

	"tfos/internal/infer"
	"tfos/internal/reserve"
)

// members is the roster in the plan's order: ps, chief, worker, evaluator.
func (s *Spec) members() []reserve.MemberConfig {
	var out []reserve.MemberConfig
	add := func(job string, n int, required bool) {
		for i := range n {
			out = append(out, reserve.MemberConfig{Job: job, Index: i, Required: required, Feeds: s.feedsOf(job)})
		}
	}
	add(jobPS, s.NumPS, false)
	// With a dedicated chief it alone decides; without one every worker does, and
	// so do workers whose results are part of the output.
	add(jobChief, one(s.Chief), true)
	add(jobWorker, s.workers(), !s.Chief || s.Output != nil && s.trains(jobWorker))
	add(jobEvaluator, one(s.Evaluator), false)
	return out
}

// feedsOf names the feeds that members of a job take, in the order in which
// they are sent.
func (s *Spec) feedsOf(job string) []string {
	if s.predicts() == infer.Partitions {
		return []string{string(reserve.Predict)}
	}
	if !s.sparkFed() {
		return nil
	}
	trains := s.trains(job)
	var out []string
	for _, src := range s.fed() {
		takes := trains
		if src.purpose == reserve.Validation && s.Evaluator {
			takes = job == jobEvaluator
		}
		if takes {
			out = append(out, string(src.purpose))
		}
	}
	return out
}

// trains tells whether members of a job take training rows. TensorFlow 2's
// ParameterServerStrategy, which needs a dedicated chief, reads its data there
// and schedules steps on the workers.
func (s *Spec) trains(job string) bool {
	switch job {
	case jobChief:
		return true
	case jobWorker:
		return !s.chiefSchedules()
	}
	return false
}

func (s *Spec) chiefSchedules() bool { return s.Strategy == parameterServer && s.Chief }

// trainers names the members that take training rows, chief first.
func (s *Spec) trainers() []string {
	var out []string
	for _, r := range s.roles() {
		for i := range r.members {
			if s.trains(r.job) {
				out = append(out, reserve.Place{Job: r.job, Index: i}.String())
			}
		}
	}
	return out
}

// workers counts the members that are neither ps, chief nor evaluator.
func (s *Spec) workers() int {
	if s.kind == Export {
		return 1
	}
	return s.ClusterSize - s.NumPS - one(s.Chief) - one(s.Evaluator)
}

// size is the number of members.
func (s *Spec) size() int {
	if s.kind == Export {
		return 1
	}
	return s.ClusterSize
}

// sparkFed tells whether Spark tasks feed rows to members.
func (s *Spec) sparkFed() bool { return s.kind == Train && s.InputMode == modeSpark }

// roles lists the jobs that have members, with their resources, in the plan's order.
func (s *Spec) roles() []namedRole {
	all := []namedRole{
		{jobPS, s.NumPS, &s.Resources.PS},
		{jobChief, one(s.Chief), &s.Resources.Chief},
		{jobWorker, s.workers(), &s.Resources.Worker},
		{jobEvaluator, one(s.Evaluator), &s.Resources.Evaluator},
	}
	var out []namedRole
	for _, r := range all {
		if r.members > 0 {
			out = append(out, r)
		}
	}
	return out
}

// env is the environment that members of a role get.
func (s *Spec) env(role *Role) map[string]string {
	if len(s.Resources.All.Env) == 0 {
		return role.Env
	}
	out := maps.Clone(s.Resources.All.Env)
	maps.Copy(out, role.Env)
	return out
}

type namedRole struct {
	job     string
	members int
	role    *Role
}

// memberCores is the most cores that a member of any role has: executors of
// one application are all alike.
func (s *Spec) memberCores() int {
	cores := 1
	for _, r := range s.roles() {
		cores = max(cores, r.role.Cores)
	}
	return cores
}

// memberMemory is the most memory that a member of any role has.
func (s *Spec) memberMemory() Memory {
	var memory Memory
	for _, r := range s.roles() {
		memory = max(memory, r.role.Memory)
	}
	return memory
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
