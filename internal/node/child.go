package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tfos/internal/reserve"
)

// Kinds of child: ChildConfig.Kind.
const (
	childPython = "python"
	childEngine = "engine"
)

// memberAddress is one member of the cluster as the reservation server names it.
type memberAddress struct {
	Job     string
	Index   int
	Address string // host:port
	Host    string // the name of its machine; "": not known
}

// tfConfig is the value of TF_CONFIG: the cluster and which of its members this
// one is. Indices have no gaps: the roster is the plan's.
func tfConfig(members []memberAddress, job string, index int) (string, error) {
	type task struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
	}
	config := struct {
		Cluster map[string][]string `json:"cluster"`
		Task    task                `json:"task"`
	}{clusterSpec(members), task{job, index}}
	text, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("node: write TF_CONFIG: %w", err)
	}
	return string(text), nil
}

// clusterSpec is TensorFlow's cluster: the addresses of each job in the order
// of their indices.
func clusterSpec(members []memberAddress) map[string][]string {
	ordered := slices.Clone(members)
	slices.SortStableFunc(ordered, func(a, b memberAddress) int { return a.Index - b.Index })
	cluster := make(map[string][]string)
	for _, m := range ordered {
		if m.Job == reserve.Evaluator { // nobody waits for its server, which does not start
			continue
		}
		cluster[m.Job] = append(cluster[m.Job], m.Address)
	}
	return cluster
}

// childPlan is what a child's command is made of.
type childPlan struct {
	assignment Assignment
	files      string // absolute
	dir        string // the child's working directory
	work       string
	tfConfig   string
	libDir     string   // of libtensorflow; "": the loader's choice
	libraries  []string // of operations
	members    []memberAddress
	host       string // this machine's name
	base       []string
}

// command is the child's: its environment is the executor's, then the
// supervisor's own variables, then the role's, which win.
func (p childPlan) command() command {
	config := p.assignment.Config
	role := config.Roles[p.assignment.Job]
	env := newEnv(p.base)
	env.set("TF_CONFIG", p.tfConfig)
	env.set("TFOS_SOCKET", filepath.Join(p.work, childSocket))
	env.set("TFOS_RUN", config.Run)
	env.set("TMPDIR", p.work) // what a program leaves there goes with the member
	env.set("PYTHONUNBUFFERED", "1")
	if role.Cores > 0 {
		// Not TF_NUM_INTEROP_THREADS: kernels that wait for a peer sit in inter-op
		// threads, and a chief of parameter servers with one hangs in its first step.
		for _, name := range []string{"TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"} {
			env.set(name, strconv.Itoa(role.Cores))
		}
	}
	for name, value := range role.Env {
		env.set(name, value)
	}
	// After the role's, which may bring proxies of its own: TensorFlow speaks to
	// other members through a proxy where there is one, and then waits for ever.
	env.bypassProxies(clusterHosts(p.members, p.assignment.Server, p.host))
	// After the role's: without these folders the child would not start.
	env.prepend("PYTHONPATH", p.pythonPath()...)
	argv := []string{p.interpreter(), "-m", "tfos.program"}
	if config.Child.Kind == childEngine {
		argv = append([]string{within(p.files, config.Child.Engine), "run"}, p.libraries...)
		if p.libDir != "" {
			env.prepend("LD_LIBRARY_PATH", p.libDir)
		}
	}
	return command{Argv: argv, Env: env.list(), Dir: p.dir}
}

// visibleDevices is the list of GPUs that the child sees, as CUDA_VISIBLE_DEVICES
// names them; "": all. The role's variable wins over that of base, the executor's
// environment. A variable that is set and empty hides all: that is "-1".
func visibleDevices(a Assignment, base []string) string {
	const name = "CUDA_VISIBLE_DEVICES"
	value, given := newEnv(base)[name]
	if own, has := a.Config.Roles[a.Job].Env[name]; has {
		value, given = own, true
	}
	if given && value == "" {
		return "-1"
	}
	return value
}

func (p childPlan) pythonPath() []string {
	paths := []string{p.dir}
	for _, entry := range p.assignment.Config.Child.PythonPath {
		paths = append(paths, within(p.files, entry))
	}
	return paths
}

// interpreter is absolute, or a bare name to be looked up on PATH.
func (p childPlan) interpreter() string {
	name := p.assignment.Config.Child.Interpreter
	if name == "" {
		return "python3"
	}
	if !strings.ContainsRune(name, filepath.Separator) {
		return name
	}
	return within(p.files, name)
}

// within is path below folder, or path itself when it is absolute.
func within(folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}

// env is a process's environment, each name once.
type env map[string]string

func newEnv(base []string) env {
	e := make(env, len(base))
	for _, entry := range base {
		if name, value, ok := strings.Cut(entry, "="); ok {
			e[name] = value
		}
	}
	return e
}

func (e env) set(name, value string) { e[name] = value }

// prepend puts paths before those in a list variable.
func (e env) prepend(name string, paths ...string) {
	if old := e[name]; old != "" {
		paths = append(slices.Clone(paths), old)
	}
	e[name] = strings.Join(paths, string(os.PathListSeparator))
}

// list is sorted.
func (e env) list() []string {
	out := make([]string, 0, len(e))
	for name, value := range e {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}
