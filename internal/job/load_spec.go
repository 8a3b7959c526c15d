package job

import "tfos/internal/modelcache"

// Spec is a job file, of any kind. The comment of a field is its text in
// docs/job-file.md. Tags:
//
//	yaml     the key
//	default  its value when absent, as YAML
//	kinds    the kinds of job that have it; absent: those of its parent
//	as       path: made absolute from the job file's folder
//	         command: made absolute when it holds a slash
//
// A Spec made by Load has its defaults filled in and its paths absolute.
type Spec struct {
	// what the run is called in Spark and in reports; default: the job file's name
	Name string `yaml:"name"`
	// what runs on the executors: exactly one of `python`, `graph`
	App App `yaml:"app" kinds:"train,export"`
	// how workers train together: `parameter_server`, `all_reduce` or `independent` (each worker on its own); default: `independent` for a cluster of one, `parameter_server` when `num_ps` is given, otherwise it must be said
	Strategy string `yaml:"strategy" kinds:"train"`
	// members in all, ps included; for inference the number of executors
	ClusterSize int `yaml:"cluster_size" default:"1" kinds:"train,infer"`
	// run on this machine, without Spark: one member with all cores, or `resources.worker.cores` of them; `cluster_size`, the keys of `spark` and what else describes a cluster are left aside; in training for graphs only
	Local bool `yaml:"local" default:"false" kinds:"train,infer"`
	// parameter servers among the members
	NumPS int `yaml:"num_ps" default:"0" kinds:"train"`
	// a dedicated chief; false: worker 0 is the chief
	Chief bool `yaml:"chief" default:"false" kinds:"train"`
	// one member evaluates checkpoints
	Evaluator bool `yaml:"evaluator" default:"false" kinds:"train"`
	// what each member gets, by role
	Resources Resources `yaml:"resources"`
	// who reads the training data: `spark` feeds it, or `tensorflow`: a Python program reads it itself, and of a graph each member reads its share of the files
	InputMode string `yaml:"input_mode" default:"spark" kinds:"train"`
	// how Spark hands over the rows that it reads: `arrow` (Python tasks with pyarrow), `pipe` (Go tasks, for executors without Python) or `auto` (`arrow`, and `pipe` when executors lack it)
	Feeder string `yaml:"feeder" default:"auto" kinds:"train"`
	// who reads the input: `executor` (tfos itself, in tasks that Spark places: parquet, tfrecord, csv, json and arrow files, no Python on executors), `spark` (any path, table or query; for inference Spark also writes, and executors need Python with pyarrow) or `auto` (`executor` where that reads the same rows, else `spark`, and says why)
	ReadBy string `yaml:"read_by" default:"auto" kinds:"train,infer"`
	// the data
	Input Input `yaml:"input" kinds:"train,infer"`
	// column: tensor. Only these columns are read; absent: every column under its own name, for inference and graphs those that the signature names. For them a tensor is an alias of the signature or a tensor of the graph (`dense/BiasAdd:0`)
	InputMapping Mapping `yaml:"input_mapping" kinds:"train,infer"`
	// tensor: column, of tensors as in `input_mapping`; absent: every output of the signature, under its alias
	OutputMapping Mapping `yaml:"output_mapping" kinds:"infer"`
	// input: value, for inputs that have one value for all rows, such as `keep_prob: 1.0` or `training: false`: a number, a text, `true`, `false`, or a list of them; an input is named as in `input_mapping`. Inputs for which the graph has a value of its own need none
	Constants Constants `yaml:"constants" kinds:"infer"`
	// string outputs that are bytes and not text, such as PNG images or protos, named as in `output_mapping`: their columns are binary in every file; strings of other outputs must be UTF-8 text
	BinaryOutputs []string `yaml:"binary_outputs" kinds:"infer"`
	// columns may feed tensors of a narrower floating type, as float64 a float32 tensor: numbers are rounded to the nearest, and one beyond the type's range is a bad row; false: such columns are refused; in training for graphs only
	AllowNarrowing bool `yaml:"allow_narrowing" default:"false" kinds:"train,infer"`
	// the model takes a fixed number of rows at a time (`[32,784]`) and its rows do not depend on one another: a batch of fewer rows is filled up with copies of its last row, whose outputs are thrown away; false: rows that are no whole batch fail the job
	PadLastBatch bool `yaml:"pad_last_batch" default:"false" kinds:"infer"`
	// columns copied beside the predictions, in this order, first
	Keep []string `yaml:"keep" kinds:"infer"`
	// rows of one step of one worker, or the most of one run of the model; a model that takes a fixed number of rows at a time gets that number. `auto`, in inference: the rows of a run grow as long as memory lasts and a row gets cheaper, up to 4,096; default with `resources.worker.gpus`
	BatchSize BatchSize `yaml:"batch_size" default:"100" kinds:"train,infer"`
	// passes over the data
	Epochs int `yaml:"epochs" default:"1" kinds:"train"`
	// disk on which each member may keep its rows of the first epoch, so that Spark need not send them again (in `TMPDIR` or `/tmp` of its host); `0`: none
	EpochCache Memory `yaml:"epoch_cache" default:"10g" kinds:"train"`
	// optimiser updates over the whole cluster; training ends at the first of `steps` and `epochs`; default: no limit
	Steps int64 `yaml:"steps" kinds:"train"`
	// of `input_mode: tensorflow`: goroutines that read input on a member
	Readers int `yaml:"readers" default:"1" kinds:"train"`
	// rows are shuffled in the feed; absent: not
	Shuffle *Shuffle `yaml:"shuffle" kinds:"train"`
	// folder of checkpoints; for inference without `export_dir`: a checkpoint with its `.meta` file (TensorFlow 1), or a folder of them, of which the newest is taken; for export a checkpoint or a folder of them, absent: the graph's own variables
	ModelDir string `yaml:"model_dir" as:"path"`
	// folder of the SavedModel: written by `train` and `export`, read by `infer`; in training it takes whatever files the program writes there ([outputs](programs.md#outputs)); absent in training: no export
	ExportDir string `yaml:"export_dir" as:"path"`
	// `fail` or `replace`
	ExportIfExists string `yaml:"export_if_exists" default:"fail" kinds:"train,export"`
	// what the program must have written to `export_dir`: `any` files, or a `saved_model`; without one the run then ends with exit code 7
	ExportFormat string `yaml:"export_format" default:"any" kinds:"train"`
	// when a graph's checkpoints are written to `model_dir`, and evaluated
	Checkpoint *Checkpoint `yaml:"checkpoint" kinds:"train"`
	// a graph's batch whose loss is no finite number: `fail` the run, or `skip` the batch: the variables get the values back that they had before it; `skip` costs memory for a second copy of them, and is not possible with `parameter_server`
	OnNonFinite string `yaml:"on_non_finite" default:"fail" kinds:"train"`
	// a graph's training ends when a metric of `input.validation` improves no more; absent: it does not
	EarlyStopping *EarlyStopping `yaml:"early_stopping" kinds:"train"`
	// TensorBoard on `model_dir`, beside a Python program
	TensorBoard bool `yaml:"tensorboard" default:"false" kinds:"train"`
	// of TensorFlow's servers: `grpc`, `grpc+verbs` or `rdma`
	Protocol string `yaml:"protocol" default:"grpc" kinds:"train"`
	// tags of the MetaGraph in the SavedModel, a list or text with commas; in training of `app.graph.path`
	TagSet Tags `yaml:"tag_set" default:"serve"`
	// the signature that is run; not needed where both mappings name tensors of the graph
	SignatureDefKey string `yaml:"signature_def_key" default:"serving_default" kinds:"infer"`
	// a row that cannot be predicted: `fail`, `skip` it, or `quarantine` it in `_quarantine` of the output ([bad rows](inference.md#bad-rows))
	OnBadRow string `yaml:"on_bad_row" default:"fail" kinds:"infer"`
	// share of bad rows in all, as `0.1%`, beyond which the job fails; absent: no limit
	MaxBad *Percent `yaml:"max_bad" kinds:"infer"`
	// where predictions go; in training: where what a Python program hands to `batch_results` goes
	Output *Output `yaml:"output" kinds:"train,infer"`
	// the export's signatures: a list of those of the graph that are kept, or new ones by tensors of the graph (`{name: {inputs: {alias: tensor}, outputs: {alias: tensor}}}`), whose types and shapes are the graph's; absent: all of the graph's
	Signatures Signatures `yaml:"signatures" kinds:"export"`
	// the SavedModel becomes a numbered version in `export_dir`, as TensorFlow Serving reads it: `1`, or one more than the highest there
	ServingLayout bool `yaml:"serving_layout" default:"false" kinds:"export"`
	// Python of the executors, and in deploy mode `cluster` of the driver
	Environment PythonEnvironment `yaml:"environment" kinds:"train,infer"`
	// where executors find libtensorflow
	TensorFlow TensorFlow `yaml:"tensorflow"`
	// the cluster that runs the job
	Spark Spark `yaml:"spark"`
	// how long to wait for what
	Timeouts Timeouts `yaml:"timeouts"`
	// what is tried again
	Retries Retries `yaml:"retries" kinds:"train"`

	kind   Kind
	newest newestCheckpoint
	origin string // file of the user from which the graph was converted. "": none
	source source
	dir    string // that relative paths start from
	// fetched are copies of models on stores, for the checks: see FetchModels.
	fetched []modelcache.Copy
}

// Kind is the kind of job.
func (s *Spec) Kind() Kind { return s.kind }

// File is the job file as the user named it; "" for a job made of flags.
func (s *Spec) File() string { return s.source.file }

// App is what runs on the executors.
type App struct {
	// a Python program
	Python *Python `yaml:"python" kinds:"train"`
	// a TensorFlow graph, run without Python
	Graph *Graph `yaml:"graph"`
}

// Python is a Python program.
type Python struct {
	// the program, a .py file
	File string `yaml:"file" as:"path"`
	// the program as a module, in the place of `file`: `pkg.train` runs as by `python -m pkg.train`. `pkg/` or `pkg.py` beside the job file is shipped with the job; else executors must have it
	Module string `yaml:"module"`
	// `main_fun(args, ctx)` in it; absent: the program runs as a script, with TF_CONFIG set
	Function string `yaml:"function"`
	// a mapping becomes `args.lr`, with the job's parameters merged in; a list becomes argv
	Args Args `yaml:"args"`
	// `export_fn(args, ctx)` in it: runs once, on the chief, at the end
	ExportFunction string `yaml:"export_function"`
	// modules shipped with it: .py, .zip or .egg
	PyFiles []string `yaml:"py_files" as:"path"`
	// files, folders and patterns (as a shell's, and `**`) shipped with it, such as `[config.json, pkg/, data/*.csv]`: they lie beside the program as they do [here](programs.md#files-that-travel-with-it)
	Files []string `yaml:"files" as:"path"`
	// files that it writes into its working directory and that are kept: paths and patterns below it, such as `[logs, "*.txt"]`, `.` for all; a folder is meant with all in it. They go to `output_dir`, after a failure too ([which](programs.md#files-in-the-working-directory))
	Outputs []string `yaml:"outputs"`
	// where `outputs` go: to `<output_dir>/<run>/<role>-<index>/`; default: `outputs` in the run's record
	OutputDir string `yaml:"output_dir" as:"path"`
	// Python on the executors, a name or a path without arguments; default: spark.pyspark.python, PYSPARK_PYTHON, python3
	Interpreter string `yaml:"interpreter" as:"command"`
}

// Graph is a TensorFlow graph.
type Graph struct {
	// SavedModel folder with a train signature, or a .meta file; for export a SavedModel, a .meta file or a frozen graph, absent: the `.meta` file beside the checkpoint
	Path string `yaml:"path" as:"path"`
	// the signature of a step: its outputs are the loss and metrics; `all_reduce` needs the same name with `_all_reduce` too ([signatures](graph-programs.md#what-a-train-signature-is))
	TrainSignature string `yaml:"train_signature" default:"train" kinds:"train"`
	// run on validation data; default: `evaluate` where `input.validation` is given
	EvalSignature string `yaml:"eval_signature" kinds:"train"`
	// a checkpoint, a folder of checkpoints or a SavedModel, whose values the variables begin with where names and shapes fit; a checkpoint in `model_dir` goes before it
	InitFrom string `yaml:"init_from" as:"path" kinds:"train"`
}

// Resources is what each member gets, by role.
type Resources struct {
	// every member
	All Everyone `yaml:"all"`
	// a worker
	Worker Role `yaml:"worker"`
	// a parameter server
	PS Role `yaml:"ps" kinds:"train"`
	// the dedicated chief
	Chief Role `yaml:"chief" kinds:"train"`
	// the evaluator
	Evaluator Role `yaml:"evaluator" kinds:"train"`
}

// Everyone is what every member gets, whatever its role.
type Everyone struct {
	// environment of each child process; the `env` of a member's own role wins
	Env map[string]string `yaml:"env"`
}

// Role is what one member gets.
type Role struct {
	// cores of its own; feed tasks get one more beside it
	Cores int `yaml:"cores" default:"1"`
	// beside the JVM's heap
	Memory Memory `yaml:"memory" default:"2g"`
	// GPUs that its program sees, and no others ([GPUs](gpus.md)); a member of inference or of a graph program has 0 or 1
	GPUs int `yaml:"gpus" default:"0" kinds:"train,infer"`
	// environment of its child process
	Env map[string]string `yaml:"env"`
}

// Input is the data: one source, or named ones.
type Input struct {
	Source `yaml:",inline"`
	// the training data, where there is also another
	Train *Source `yaml:"train" kinds:"train"`
	// validation data
	Validation *Source `yaml:"validation" kinds:"train"`
}

// Source is one data set.
type Source struct {
	// file, folder or [pattern](data.md#patterns); or a URL of a [store](storage.md)
	Path string `yaml:"path" as:"path"`
	// a table that Spark knows, instead of a path
	Table string `yaml:"table"`
	// a query for Spark, instead of a path
	SQL string `yaml:"sql"`
	// of the files: `parquet`, `tfrecord`, `csv`, `json`, `arrow`; anything else that Spark reads, by Spark. Absent: as the files say, by their names or first bytes; `parquet` where this machine does not see them and the path does not say
	Format string `yaml:"format" default:"parquet"`
	// of the reader, under Spark's names; which tfos has is in docs/data.md
	Options map[string]string `yaml:"options"`
}

// Shuffle is how rows are mixed.
type Shuffle struct {
	// rows held to draw from
	Buffer int `yaml:"buffer" default:"10000"`
	// of the random order
	Seed int64 `yaml:"seed" default:"1"`
}

// Checkpoint is when checkpoints are written.
type Checkpoint struct {
	// steps between two
	EverySteps int64 `yaml:"every_steps" default:"500"`
	// how many are kept
	Keep int `yaml:"keep" default:"5"`
}

// Output is a folder of rows.
type Output struct {
	// the folder
	Path string `yaml:"path" as:"path"`
	// of the files: `parquet`, `tfrecord`, `csv`, `json` or `arrow`; where Spark writes: `parquet`, `json`, `csv` or `orc`
	Format string `yaml:"format" default:"parquet"`
	// columns in `keep` by which Spark partitions the folder (`day=1/…`); needs `read_by: spark`
	PartitionBy []string `yaml:"partition_by" kinds:"infer"`
	// `fail`; `replace`; `resume`: only what earlier runs have not done of the input as it is now is computed (inference); `skip`: a complete output is left as it is and the job is done
	IfExists string `yaml:"if_exists" default:"fail"`
}

// EarlyStopping is when a training ends that improves no more.
type EarlyStopping struct {
	// an output of the eval signature, its mean over the validation rows
	Metric string `yaml:"metric" default:"loss"`
	// which is better: `min` or `max`
	Mode string `yaml:"mode" default:"min"`
	// evaluations in a row without an improvement, after which it ends
	Patience int `yaml:"patience" default:"3"`
	// by how much a value must be better to be an improvement
	MinDelta float64 `yaml:"min_delta" default:"0"`
}

// PythonEnvironment is a Python that goes to executors with the job.
type PythonEnvironment struct {
	// an archive of venv-pack or conda-pack: a file of this machine or a URL that Spark reads (`.tar.gz`, `.tgz`, `.tar`, `.zip`). Executors unpack it and run its `bin/python`
	Archive string `yaml:"archive" as:"path"`
}

// TensorFlow is where executors find libtensorflow.
type TensorFlow struct {
	// a folder on the executors; absent: it is looked for
	LibDir string `yaml:"lib_dir" as:"path"`
	// an archive with it, for executors that have neither: a file of this machine or a URL that Spark reads, which executors unpack; `libtensorflow.so.2` lies in its top folder, in `lib/` or in `tensorflow/`
	Archive string `yaml:"archive" as:"path" kinds:"train,infer"`
	// libraries of operations that the model needs and TensorFlow does not have: a `.so` file with a slash in its name (`./ops.so`), which is shipped with the job; `local:/path` for one that lies on every executor; or the name of a Python package there (`tensorflow_text`), of which all such libraries are loaded
	OpLibraries []string `yaml:"op_libraries" as:"command"`
}

// Spark is the cluster that runs the job.
type Spark struct {
	// `local[n]`, `local-cluster[n,cores,MiB]`, `spark://…`, `yarn`, `k8s://…`, `mesos://…`; default: a `local-cluster` sized to the job
	Master string `yaml:"master"`
	// where the driver runs: `client` or `cluster`
	DeployMode string `yaml:"deploy_mode" default:"client"`
	// of `deploy_mode: cluster`: the folder in which each run keeps its record, which launcher and driver both see; default: `.NAME.tfos.runs` beside `model_dir`, `output.path` or `export_dir`
	RecordDir string `yaml:"record_dir" as:"path"`
	// folder of Spark; absent: SPARK_HOME, or the pyspark of the Python in use
	Home string `yaml:"home" as:"path"`
	// Spark settings; they win over those of tfos, but for the ones that a job depends on
	Conf map[string]string `yaml:"conf"`
}

// Timeouts is how long to wait for what.
type Timeouts struct {
	// until every member is there
	Reservation Duration `yaml:"reservation" default:"600s"`
	// without a sign of life of any member: rows taken, a new phase, a printed line, bytes written to storage, or CPU and GPU time of 1 % of this time; give more than Spark takes to the first row of a slow query
	Stall Duration `yaml:"stall" default:"600s"`
	// how long the process of a program that has returned, or failed, may take to end: threads, `atexit` hooks, open files; then it is ended, and the run's result stays what it is
	Exit Duration `yaml:"exit" default:"30s"`
	// how long a member lives that cannot be heard
	Lease Duration `yaml:"lease" default:"10s"`
	// with `spark.deploy_mode: cluster`: how long a launcher follows a run while neither its cluster manager nor its driver can be heard; the run may go on
	Unreachable Duration `yaml:"unreachable" default:"1h" kinds:"train,infer"`
}

// Retries is what is tried again.
type Retries struct {
	// how often a job goes on from its checkpoint after a member was lost
	Generations int `yaml:"generations" default:"0"`
}
