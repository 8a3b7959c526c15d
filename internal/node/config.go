package node

import (
	"time"

	"tfos/internal/feed"
)

// Config is what every member of a run has in common. The launcher's plan
// holds it; the driver wraps it in an Assignment for each member.
type Config struct {
	Run   string        `json:"run"`
	Kind  string        `json:"kind"` // train, infer, export
	Child ChildConfig   `json:"child"`
	Feeds []feed.Config `json:"feeds,omitempty"`
	// ExitMS is how long a child's process may take to end once its program has
	// returned or failed.
	ExitMS int64 `json:"exit_ms"`
	// Context is handed to a Python program as its ctx and args: see
	// docs/protocols.md.
	Context map[string]any `json:"context,omitempty"`
	// Roles holds what differs by job name (ps, chief, worker, evaluator).
	Roles map[string]RoleConfig `json:"roles"`
	// LogDir is an absolute folder for the children's output; "" puts it in
	// the executor's working directory.
	LogDir string `json:"log_dir,omitempty"`
}

// Exit is ExitMS as a duration.
func (c Config) Exit() time.Duration { return time.Duration(c.ExitMS) * time.Millisecond }

// ChildConfig says what the supervisor starts.
type ChildConfig struct {
	Kind string `json:"kind"` // python, engine
	// Interpreter of a python child: a path or a name on PATH.
	Interpreter string `json:"interpreter,omitempty"`
	// Engine is tfos-engine, relative to the files folder or absolute.
	Engine string `json:"engine,omitempty"`
	// LibDir is where libtensorflow lies on executors; "": looked for.
	LibDir string `json:"lib_dir,omitempty"`
	// OpLibraries are loaded by an engine before its model: paths with a slash,
	// relative to the files folder or absolute, and names of Python packages.
	OpLibraries []string `json:"op_libraries,omitempty"`
	// Archive is a tar file in the files folder that is unpacked in the working
	// directory of a python child before it starts; "": none.
	Archive string `json:"archive,omitempty"`
	// Outputs are patterns of the files that a python child writes into its
	// working directory and that are brought to the reservation server.
	Outputs []string `json:"outputs,omitempty"`
	// PythonPath entries, relative to the files folder.
	PythonPath []string `json:"python_path,omitempty"`
}

// RoleConfig is what one job name's children get.
type RoleConfig struct {
	Cores int               `json:"cores"`
	Env   map[string]string `json:"env,omitempty"`
}

// Assignment is the one line of JSON that a member reads from its Spark task:
// who it is, whom to call, and the run's credentials. It is never written to
// disk, argv or the environment.
type Assignment struct {
	Config Config `json:"config"`
	Job    string `json:"job"`
	Index  int    `json:"index"`
	// Feeds of Config.Feeds that this member takes, by name.
	Feeds  []string `json:"feeds"`
	Server string   `json:"server"` // host:port of the reservation server
	CA     string   `json:"ca"`     // PEM
	Cert   string   `json:"cert"`   // PEM, of the member: client and server
	Key    string   `json:"key"`    // PEM
	Token  string   `json:"token"`
	// Files is the folder where Spark put the job's files: "." on an
	// executor, absolute under local[n], where members share it.
	Files string `json:"files"`
}
