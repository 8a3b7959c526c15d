package job

import (
	"slices"
	"time"

	"tfos/internal/files"
	"tfos/internal/node"
	"tfos/internal/work"
)

// Environment is all that a plan depends on beside the Spec.
type Environment struct {
	// RunID names the run: letters, digits, dots, dashes.
	RunID string
	// Scratch is the run's temporary folder, Record the one that is kept. Both absolute.
	Scratch, Record string
	// Host is this machine's name. It tells runs of one id on two machines apart.
	Host string
	// Python is the interpreter that runs the Spark driver on this machine,
	// absolute; executors on this machine (local[n], local-cluster, a standalone
	// master on the loopback address) use it too. "": python3.
	Python string
	// PysparkPython is PYSPARK_PYTHON of the launcher's environment, "" when
	// unset. As in Spark it names the interpreter of executors anywhere.
	PysparkPython string
	// Measure makes the run a measurement of that length, whose outputs are
	// thrown away; 0: it is none. The Spec must be ForMeasuring.
	Measure time.Duration
	// MinRate fails a run that used fewer rows a second; 0: none is too slow.
	MinRate float64
	// Columns are those that a graph needs of each feed, by its name: see
	// ColumnsOf. Nil, and for a feed that it does not have: not known.
	Columns map[string][]string
	// Rows of the training or inference input; 0: not known.
	Rows int64
	// ExportVersion is the number of the version that an export with serving_layout
	// adds: see NextVersion.
	ExportVersion int64
	// Address of this machine on the way to the cluster, for masters whose executors have
	// another network than its own (Where.NeedsAddress). "": Spark chooses.
	Address string
	// Cores of this machine that the run may use, for a job without Spark.
	Cores int
	// Verbose shows a program's tracebacks with tfos's own frames.
	Verbose bool
	// Beside are the names that lie beside a Python program and are not shipped
	// with it: see Beside.
	Beside []string
}

// PlanVersion is the version of plan.json. Its readers, scripts/tfos/start.py and
// internal/local, have the number too and refuse a plan of another version.
const PlanVersion = 2

// Plan is what a run is to be: the content of plan.json (docs/protocols.md,
// section 1) and the Spark submission around it.
type Plan struct {
	Version int    `json:"version"`
	Kind    Kind   `json:"kind"`
	Run     string `json:"run"`
	Name    string `json:"name"`
	Scratch string `json:"scratch"`
	Record  string `json:"record"`
	Where   Where  `json:"local"` // see Where.MarshalJSON
	// DeployMode is where Spark's driver is: client or cluster. In the cluster the driver
	// keeps the record, in Record, and spark-submit ships Files.
	DeployMode string      `json:"deploy_mode"`
	Files      []string    `json:"files"`
	NodeBinary string      `json:"node_binary"`
	TaskCPUs   int         `json:"task_cpus"`
	TaskGPUs   int         `json:"task_gpus,omitempty"` // of a member's task
	Reserve    work.Config `json:"reserve"`
	Node       node.Config `json:"node"`
	Feeds      []Feed      `json:"feeds"`
	Predict    *Predict    `json:"predict,omitempty"` // inference over what Spark reads
	// Stores says that a path is a URL: the driver hands the settings of stores to the
	// run's programs. The plan has none of them.
	Stores bool `json:"stores,omitempty"`

	// Not part of plan.json: spark-submit's command line (empty without Spark),
	// and the user's files to be copied into the scratch folder before.
	Submission Submission `json:"-"`
	Copies     []Copy     `json:"-"`
	// Bundle is the archive to be made of what the function Bundle lists, an
	// absolute path; "": none.
	Bundle string `json:"-"`

	summary summary
}

// NeedsArrow says that Spark must hand rows to Python tasks: no Go task can
// take their place.
func (p *Plan) NeedsArrow() bool {
	return p.Predict != nil || slices.ContainsFunc(p.Feeds, func(f Feed) bool { return f.Feeder == "arrow" && f.ReadBy != byExecutor })
}

// LightDriver says that no rows pass the driver's JVM, as they do on local[n]
// where Spark reads them.
func (p *Plan) LightDriver() bool {
	reads := p.Predict != nil || slices.ContainsFunc(p.Feeds, func(f Feed) bool { return f.ReadBy != byExecutor })
	return !(p.Where.place().withDriver && reads)
}

// Submission is what spark-submit is told, and the arithmetic behind it.
type Submission struct {
	Master     string
	DeployMode string
	Name       string
	Conf       map[string]string
	// Secrets are settings that only Properties has, a file that is written before. Its
	// name is "" if there are none.
	Secrets    map[string]string
	Properties string
	// PyFiles, Files, App and PlanFile are paths on this machine. In client mode the
	// driver ships files itself: Files has only what executors need to start.
	PyFiles  []string
	Files    []string
	App      string
	PlanFile string
	// GPUScript is where GPUScript is to be written; "": the run needs none.
	GPUScript string
	// Executors of ExecutorCores cores, each with HeapMiB for the JVM and
	// MemberMiB for its member. All but MemberMiB are 0 for local[n], which has
	// one executor.
	Executors     int
	ExecutorCores int
	HeapMiB       int64
	MemberMiB     int64
	GPUs          int // of each executor, from Spark
}

// SetDefaults adds settings that the job does not have.
func (s *Submission) SetDefaults(conf map[string]string) {
	for name, value := range conf {
		if _, given := s.Conf[name]; !given {
			s.Conf[name] = value
		}
	}
}

// Feed is Spark-fed input as the driver reads it.
type Feed struct {
	Name      string            `json:"name"`
	Format    string            `json:"format"` // "" for a table or a query
	Path      string            `json:"path"`
	Table     string            `json:"table"`
	SQL       string            `json:"sql"`
	Options   map[string]string `json:"options"`
	Columns   []string          `json:"columns"` // null: every column
	Epochs    int               `json:"epochs"`
	ReadBy    string            `json:"read_by"` // executor, spark, auto: executor if its readers can
	Feeder    string            `json:"feeder"`  // of what Spark reads: arrow, pipe, auto
	ChunkRows int               `json:"chunk_rows"`
	Balance   string            `json:"balance"` // equal, demand
	// Folders is for executors that read columns in folders' names.
	Folders files.FolderRules `json:"folders,omitzero"`
}

// Copy is a file to be copied, from and to absolute paths; in a bundle To is
// relative.
type Copy struct{ From, To string }
