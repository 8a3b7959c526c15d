package job

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"tfos/internal/gpu"
)

// Bounds beyond which a number is a slip of the hand, and sums of them would
// not fit into memory or 64 bits.
const (
	maxMembers = 10_000
	maxCores   = 10_000
	maxGPUs    = 1_000
	maxBatch   = 1 << 30
	maxEpochs  = 1_000_000
)

var (
	nameText = regexp.MustCompile(`^[^\x00-\x1f\x7f]{1,200}$`)
	envName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (r *rules) name() {
	if !nameText.MatchString(r.s.Name) || strings.TrimSpace(r.s.Name) == "" {
		r.broken("name", r.s.Name, "must be 1 to 200 printable characters")
	}
}

// cluster checks the shape of a training cluster.
func (r *rules) cluster() {
	s := r.s
	r.clusterSize()
	r.between("num_ps", int64(s.NumPS), 0, maxMembers)
	if s.Strategy == "" && !s.source.given("strategy") {
		if s.ClusterSize < 1 {
			return
		}
		r.broken("strategy", "", "say how %d members train together: one of %s", s.ClusterSize,
			strings.Join([]string{parameterServer, allReduce, independent}, ", "))
		return
	}
	r.oneOf("strategy", s.Strategy, parameterServer, allReduce, independent)
	if s.Strategy == parameterServer {
		if s.NumPS == 0 {
			r.broken("num_ps", s.NumPS, "must be 1 or more for strategy %s", s.Strategy)
		}
	} else if s.NumPS > 0 {
		r.broken("num_ps", s.NumPS, "must be 0 for strategy %s", s.Strategy)
	}
	if s.Strategy == independent {
		if s.Chief {
			r.broken("chief", s.Chief, "independent workers have no chief")
		}
		if s.Evaluator {
			r.broken("evaluator", s.Evaluator, "independent workers have no evaluator")
		}
	}
	if s.NumPS >= 0 && s.ClusterSize >= 1 && s.workers() < 1 {
		r.broken("cluster_size", s.ClusterSize, "leaves no worker: %d ps, %d chief and %d evaluator are part of it",
			s.NumPS, one(s.Chief), one(s.Evaluator))
	}
}

func (r *rules) clusterSize() {
	r.between("cluster_size", int64(r.s.ClusterSize), 1, maxMembers)
}

// resources checks what members get, and that the job has such members.
func (r *rules) resources() {
	s := r.s
	r.env("resources.all.env", s.Resources.All.Env)
	for _, x := range []struct {
		job   string
		there bool
		role  Role
	}{
		{jobWorker, true, s.Resources.Worker}, {jobPS, s.NumPS > 0, s.Resources.PS},
		{jobChief, s.Chief, s.Resources.Chief}, {jobEvaluator, s.Evaluator, s.Resources.Evaluator},
	} {
		path := "resources." + x.job
		if s.kind != Train && x.job != jobWorker {
			continue
		}
		if !x.there && s.source.given(path) {
			r.broken(path, "", "does not apply: the job has no %s", x.job)
			continue
		}
		r.between(path+".cores", int64(x.role.Cores), 1, maxCores)
		if x.role.Memory == 0 {
			r.broken(path+".memory", 0, "must be more than nothing")
		}
		r.env(path+".env", x.role.Env)
		r.gpus(path, x.role)
	}
	if name := executorVariables + gpu.VisibleVariable; s.memberGPUs() == 0 && s.Spark.Conf[name] != "" {
		r.broken("spark.conf."+name, s.Spark.Conf[name], "does not count: no member asks for GPUs (resources.worker.gpus)")
	}
}

// executorVariables begins the settings that put variables into executors' environments.
const executorVariables = "spark.executorEnv."

// gpus checks what a role gets of them. A role without GPUs may name devices itself.
func (r *rules) gpus(path string, role Role) {
	s := r.s
	most := int64(maxGPUs)
	if s.kind == Infer || s.trainsGraph() {
		most = 1 // its engine computes on one
	}
	r.between(path+".gpus", int64(role.GPUs), 0, most)
	if role.GPUs == 0 {
		return
	}
	for at, env := range map[string]map[string]string{path + ".env": role.Env, "resources.all.env": s.Resources.All.Env} {
		if value, given := env[gpu.VisibleVariable]; given {
			r.broken(join(at, gpu.VisibleVariable), value, "does not apply beside %s.gpus: tfos sets it", path)
		}
	}
}

// tfosEnv is what the supervisor sets itself.
var tfosEnv = []string{"TF_CONFIG", "TFOS_SOCKET", "TFOS_RUN"}

func (r *rules) env(path string, env map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		value := env[name]
		if secret(name) {
			value = masked
		}
		switch {
		case !envName.MatchString(name):
			r.broken(join(path, name), value, "must have letters, digits and underscores in its name")
		case slices.Contains(tfosEnv, name):
			r.broken(join(path, name), value, "is set by tfos")
		}
	}
}

func (r *rules) timeouts() {
	t := r.s.Timeouts
	for _, x := range []struct {
		path  string
		value Duration
	}{{"timeouts.reservation", t.Reservation}, {"timeouts.stall", t.Stall}, {"timeouts.exit", t.Exit}, {"timeouts.lease", t.Lease}, {"timeouts.unreachable", t.Unreachable}} {
		if x.value.Milliseconds() < 1000 && (x.path != "timeouts.unreachable" || r.s.kind != Export) {
			r.broken(x.path, x.value, "must be 1s or more")
		}
	}
	if r.s.source.given("timeouts.unreachable") && !r.s.InCluster() {
		r.broken("timeouts.unreachable", t.Unreachable, "only applies to spark.deploy_mode cluster: else the run ends with its launcher")
	}
	if t.Stall < t.Lease {
		r.broken("timeouts.stall", t.Stall, "must be at least timeouts.lease (%s)", t.Lease)
	}
	r.atLeast("retries.generations", int64(r.s.Retries.Generations), 0)
}
