package node

import (
	"time"

	"tfos/internal/feed"
	"tfos/internal/gpu"
	"tfos/internal/store"
)

// Config has the settings that all members of a run share. It is a part of the
// launcher's plan. The driver puts it into an Assignment for each member.
type Config struct {
	Run   string        `json:"run"`
	Kind  string        `json:"kind"` // train, infer, export
	Child ChildConfig   `json:"child"`
	Feeds []feed.Config `json:"feeds,omitempty"`
	// ExitMS is how long a child's process may take to end once its program has
	// returned or failed.
	ExitMS int64 `json:"exit_ms"`
	// Context becomes ctx and args of a Python program: see docs/protocols.md.
	Context map[string]any `json:"context,omitempty"`
	// Roles has the settings of each job name (ps, chief, worker, evaluator).
	Roles map[string]RoleConfig `json:"roles"`
	// GPUs says who gives members their GPUs.
	GPUs gpu.Source `json:"gpus,omitempty"`
	// Model is the training's model_dir; nil: there is none.
	Model *ModelConfig `json:"model,omitempty"`
	// Outputs are those of the child that are on stores.
	Outputs []StoredOutput `json:"outputs,omitempty"`
	// LogDir is the absolute folder of the logs of children's output. "": the files
	// folder.
	LogDir string `json:"log_dir,omitempty"`
}

// Exit is ExitMS as a duration.
func (c Config) Exit() time.Duration { return time.Duration(c.ExitMS) * time.Millisecond }

// ChildConfig describes the child that the supervisor starts.
type ChildConfig struct {
	Kind string `json:"kind"` // python, engine
	// Interpreter of a python child: a path or a name on PATH. "": python3.
	Interpreter string `json:"interpreter,omitempty"`
	// Engine is the path of tfos-engine, relative to the files folder or absolute.
	Engine string `json:"engine,omitempty"`
	// LibDir is the folder of libtensorflow on executors. "": see libraryDir.
	LibDir string `json:"lib_dir,omitempty"`
	// OpLibraries are loaded by an engine before its model. An entry with a slash is a
	// path, absolute or relative to the files folder. Another entry is the name of a
	// Python package.
	OpLibraries []string `json:"op_libraries,omitempty"`
	// Archive is a tar file in the files folder. It is unpacked in the working
	// directory of a python child before the child starts. "": none.
	Archive string `json:"archive,omitempty"`
	// Outputs are patterns of files in the working directory of a python child. Files
	// that the child writes there and that match are uploaded to the reservation
	// server.
	Outputs []string `json:"outputs,omitempty"`
	// PythonPath entries, relative to the files folder or absolute.
	PythonPath []string `json:"python_path,omitempty"`
}

// RoleConfig has the settings of the children of one job name.
type RoleConfig struct {
	Cores int               `json:"cores"`
	GPUs  int               `json:"gpus,omitempty"`
	Env   map[string]string `json:"env,omitempty"`
}

// Assignment is the one line of JSON that a member reads from its Spark task. It has the
// member's place, the reservation server's address and the run's credentials. It is never
// written to disk, argv or the environment.
type Assignment struct {
	Config Config `json:"config"`
	Job    string `json:"job"`
	Index  int    `json:"index"`
	// Feeds are the names of the Config.Feeds that this member receives.
	Feeds  []string `json:"feeds"`
	Server string   `json:"server"` // host:port of the reservation server
	CA     string   `json:"ca"`     // PEM
	Cert   string   `json:"cert"`   // PEM, of the member: client and server
	Key    string   `json:"key"`    // PEM
	Token  string   `json:"token"`
	// Files is the files folder: "." on an executor. Under local[n] it is absolute, and
	// members share it.
	Files string `json:"files"`
	// Storage are the settings of the member's stores, and of its engine's. They may have
	// secrets.
	Storage store.Settings `json:"storage,omitempty"`
}
