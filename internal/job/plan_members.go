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
			out = append(out, reserve.MemberConfig{Job: job, Index: i, Required: required, Feeds: s.feedsOf(job, i)})
		}
	}
	add(jobPS, s.NumPS, false)
	// With a dedicated chief it alone decides; without one every worker does, and
	// so do workers whose results are part of the output. Of a graph program every
	// trainer's updates are.
	add(jobChief, one(s.Chief), true)
	add(jobWorker, s.workers(), !s.Chief || s.trainsGraph() || s.Output != nil && s.trains(jobWorker))
	add(jobEvaluator, one(s.Evaluator), false)
	return out
}

// feedsOf names the feeds that a member takes, in the order in which they are sent.
func (s *Spec) feedsOf(job string, index int) []string {
	if s.predicts() == infer.Partitions {
		return []string{string(reserve.Predict)}
	}
	if !s.feedsMembers() {
		return nil
	}
	var out []string
	for _, src := range s.fed() {
		takes := s.trains(job)
		if src.purpose == reserve.Validation {
			takes = s.evaluates(job, index)
		}
		if takes {
			out = append(out, string(src.purpose))
		}
	}
	return out
}

// evaluates tells whether a member takes validation rows: the evaluator, without one
// every trainer. Of a graph program whose trainers have the same variables the chief
// alone does: another worker's mean would be of other rows.
func (s *Spec) evaluates(job string, index int) bool {
	switch {
	case s.Evaluator:
		return job == jobEvaluator
	case s.trainsGraph() && s.Strategy != independent:
		return index == 0 && (job == jobChief || job == jobWorker && !s.Chief)
	}
	return s.trains(job)
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

func (s *Spec) chiefSchedules() bool {
	return s.Strategy == parameterServer && s.Chief && !s.trainsGraph()
}

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

// sparkFed tells whether feed tasks send rows to members: tasks of Spark, without it
// of tfos-node local.
func (s *Spec) sparkFed() bool { return s.kind == Train && s.InputMode == modeSpark }

// feedsMembers tells whether members have queues of rows, whoever fills them.
func (s *Spec) feedsMembers() bool { return s.sparkFed() || s.readsShards() }

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

// memberGPUs is the most GPUs that a member of any role has: executors of one application
// are all alike.
func (s *Spec) memberGPUs() int {
	gpus := 0
	for _, r := range s.roles() {
		gpus = max(gpus, r.role.GPUs)
	}
	return gpus
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
