package node

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tfos/internal/gpu"
	"tfos/internal/reserve"
)

// Kinds of child: ChildConfig.Kind.
const (
	childPython = "python"
	childEngine = "engine"
)

// memberAddress is one member of the cluster, as the reservation server names it.
type memberAddress struct {
	Job     string
	Index   int
	Address string // host:port
	Host    string // the name of its machine; "": unknown
}

// tfConfig returns the value of TF_CONFIG: the cluster, and which member of it this is.
// Indices have no gaps, because the plan numbers all members.
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

// clusterSpec returns TensorFlow's cluster: the addresses of each job, by index. The
// evaluator is not in it.
func clusterSpec(members []memberAddress) map[string][]string {
	ordered := slices.Clone(members)
	slices.SortStableFunc(ordered, func(a, b memberAddress) int { return a.Index - b.Index })
	cluster := make(map[string][]string)
	for _, m := range ordered {
		if m.Job == reserve.Evaluator { // an evaluator starts no server
			continue
		}
		cluster[m.Job] = append(cluster[m.Job], m.Address)
	}
	return cluster
}

// childPlan has the inputs of a child's command.
type childPlan struct {
	assignment Assignment
	files      string // the files folder, absolute
	dir        string // the child's working directory
	work       string // the work folder
	tfConfig   string
	tensorFlow tensorFlow
	members    []memberAddress
	host       string   // this machine's name
	base       []string // the executor's environment
	gpus       *gpu.Claim
}

// command returns the child's command. Its environment has the executor's variables, the
// supervisor's and the role's. Of equal names, the last of these wins.
func (p childPlan) command() command {
	config := p.assignment.Config
	role := config.Roles[p.assignment.Job]
	env := newEnv(p.base)
	env.set("TF_CONFIG", p.tfConfig)
	env.set("TFOS_SOCKET", filepath.Join(p.work, childSocket))
	env.set("TFOS_RUN", config.Run)
	env.set("TMPDIR", p.work) // temporary files are removed with the member
	env.set("PYTHONUNBUFFERED", "1")
	if role.Cores > 0 {
		// TF_NUM_INTEROP_THREADS is not set: kernels that wait for a peer occupy
		// inter-op threads. With one such thread, a chief of parameter servers hangs in
		// its first step.
		for _, name := range []string{"TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"} {
			env.set(name, strconv.Itoa(role.Cores))
		}
	}
	for name, value := range role.Env {
		env.set(name, value)
	}
	env.set(gpu.VisibleVariable, visibleDevices(role, p.gpus))
	if p.gpus != nil {
		// TensorFlow would take nearly all memory of a device at once.
		env.setDefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
	}
	// After the role's variables, which may set proxies. TensorFlow would connect to
	// other members through a proxy, and would then wait for ever.
	env.bypassProxies(clusterHosts(p.members, p.assignment.Server, p.host))
	// After the role's variables: without these folders the child would not start.
	env.prepend("PYTHONPATH", p.pythonPath()...)
	argv := []string{p.interpreter(), "-m", "tfos.program"}
	if config.Child.Kind == childEngine {
		argv = append([]string{resolvePath(p.files, config.Child.Engine), "run"}, p.tensorFlow.libraries...)
		// At level INFO, TensorFlow logs facts about the processor and every collective
		// that has ended to standard error. They would displace the last lines before a
		// failure. TensorFlow reads the variable when the engine loads it.
		env.setDefault("TF_CPP_MIN_LOG_LEVEL", "1")
		if p.tensorFlow.dir != "" {
			env.prepend("LD_LIBRARY_PATH", p.tensorFlow.dir)
		}
	}
	return command{Argv: argv, Env: env.list(), Dir: p.dir}
}

// visibleDevices returns the child's CUDA_VISIBLE_DEVICES: the devices of its claim. A role
// without GPUs has none, whatever the executor's environment says, unless its own
// environment names some.
func visibleDevices(role RoleConfig, claim *gpu.Claim) string {
	if claim == nil {
		return role.Env[gpu.VisibleVariable]
	}
	return claim.Visible()
}

// proof returns the command that says which devices TensorFlow computes on: that of the
// child, with another program.
func (p childPlan) proof() command {
	c := p.command()
	if p.assignment.Config.Child.Kind == childEngine {
		c.Argv = []string{c.Argv[0], "gpus"}
	} else {
		c.Argv = []string{p.interpreter(), "-m", "tfos.gpus"}
	}
	return c
}

func (p childPlan) pythonPath() []string {
	paths := []string{p.dir}
	for _, entry := range p.assignment.Config.Child.PythonPath {
		paths = append(paths, resolvePath(p.files, entry))
	}
	return paths
}

// interpreter returns the path of the Python interpreter. It is absolute, or a name
// without a slash, which is looked up on PATH.
func (p childPlan) interpreter() string {
	name := p.assignment.Config.Child.Interpreter
	if name == "" {
		return "python3"
	}
	if !strings.ContainsRune(name, filepath.Separator) {
		return name
	}
	return resolvePath(p.files, name)
}

// resolvePath returns path if it is absolute, else path below folder.
func resolvePath(folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}

// env is a process's environment, by name.
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

// setDefault sets a variable that is not set, or empty.
func (e env) setDefault(name, value string) { e[name] = cmp.Or(e[name], value) }

// prepend adds paths at the front of a variable that holds a list of paths.
func (e env) prepend(name string, paths ...string) {
	if old := e[name]; old != "" {
		paths = append(slices.Clone(paths), old)
	}
	e[name] = strings.Join(paths, string(os.PathListSeparator))
}

// list returns the environment as "name=value", sorted.
func (e env) list() []string {
	out := make([]string, 0, len(e))
	for name, value := range e {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}
