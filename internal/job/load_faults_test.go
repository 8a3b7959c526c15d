package job

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tfos/internal/exit"
)

// Bases that have no fault; cases change them by --set, as users do.
const (
	trainBase  = "app: {python: {file: train.py, function: main_fun}}\nstrategy: independent\ncluster_size: 2\ninput: {path: data}\n"
	inferBase  = "export_dir: m\ninput: {path: data}\noutput: {path: out}\n"
	graphBase  = "app: {graph: {path: g}}\nstrategy: all_reduce\ncluster_size: 2\ninput: {path: data}\n"
	exportBase = "app: {graph: {path: g}}\nmodel_dir: m\nexport_dir: out\n"
)

// readAsRows is what a folder in the input is told.
const readAsRows = "its files would be read as rows: choose a folder that the input does not reach"

// faultCase: a base and changes, and the fault they cause, as path: value: rule.
type faultCase struct {
	kind Kind
	sets []string
	want string
	code exit.Code
}

var faultCases = []faultCase{
	// the file's shape
	{Train, []string{"batchsize=3"}, "batchsize: unknown key (did you mean batch_size?)", 2},
	{Train, []string{"app.python.fil=3"}, "app.python.fil: unknown key (did you mean file?)", 2},
	{Train, []string{"zzzzzz=3"}, "zzzzzz: unknown key", 2},
	{Train, []string{"export_dir=a", "tag_set=x"}, "tag_set: does not apply to a python app", 2},
	{Infer, []string{"strategy=independent"}, "strategy: independent: does not apply to a job of kind infer, but to: train", 2},
	{Infer, []string{"resources.ps.cores=1"}, "resources.ps: a mapping: does not apply to a job of kind infer, but to: train", 2},
	{Export, []string{"app.python.file=x.py"}, "app.python: a mapping: does not apply to a job of kind export, but to: train", 2},
	{Train, []string{"batch_size=many"}, "batch_size: many: must be a whole number", 2},
	{Train, []string{"batch_size=1.5"}, "batch_size: 1.5: must be a whole number", 2},
	{Train, []string{"batch_size='3'"}, "batch_size: 3: must be a whole number", 2},
	{Train, []string{"chief=perhaps"}, "chief: perhaps: must be true or false", 2},
	{Train, []string{"name=[a]"}, "name: a list: must be text", 2},
	{Train, []string{"app.python.py_files=lib.py"}, "app.python.py_files: lib.py: must be a list", 2},
	{Train, []string{"spark=yarn"}, "spark: yarn: must be a mapping", 2},
	{Train, []string{"timeouts.lease=10"}, "timeouts.lease: 10: must be a time such as 600s or 10m", 2},
	{Train, []string{"timeouts.lease=-1s"}, "timeouts.lease: -1s: must be a time such as 600s or 10m", 2},
	{Train, []string{"resources.worker.memory=2"}, "resources.worker.memory: 2: must be a size such as 512m or 2g", 2},
	{Train, []string{"resources.worker.memory=0"}, "resources.worker.memory: 0: must be more than nothing", 2},
	{Train, []string{"feeder=python"}, "feeder: python: must be one of arrow, pipe, auto", 2},
	{Train, []string{"resources.worker.memory=0g"}, "resources.worker.memory: 0g: must be a size such as 512m or 2g", 2},
	{Infer, []string{"on_bad_row=skip", "max_bad=5"}, "max_bad: 5: must be a share such as 0.1%", 2},
	{Infer, []string{"on_bad_row=skip", "max_bad=101%"}, "max_bad: 101%: must be a share such as 0.1%", 2},
	{Infer, []string{"constants=3"}, "constants: 3: must be a mapping", 2},
	{Infer, []string{"constants.k={a: 1}"}, "constants.k: a mapping: must be a number, a text, true, false, or a list of them", 2},
	{Infer, []string{"constants.k=99999999999999999999"}, "constants.k: 99999999999999999999: must fit into 64 bits", 2},
	{Infer, []string{"constants.k=[1]", "input_mapping.c=k"}, "constants.k: [1]: column c feeds it too (input_mapping): name one of them", 2},
	{Infer, []string{"binary_outputs=[a, a]"}, "binary_outputs[1]: a: must be a name, and not twice", 2},
	{Infer, []string{"allow_narrowing=float32"}, "allow_narrowing: float32: must be true or false", 2},
	{Infer, []string{"pad_last_batch=1"}, "pad_last_batch: 1: must be true or false", 2},
	{Train, []string{"constants.k=1"}, "constants: a mapping: does not apply to a job of kind train, but to: infer", 2},
	{Train, []string{"app.python.args=3"}, "app.python.args: 3: must be a mapping (it becomes args) or a list (it becomes argv)", 2},
	{Train, []string{"app.python.args.x=.inf"}, "app.python.args.x: .inf: must be a finite number: write it as text", 2},
	{Train, []string{"app.python.args.x=99999999999999999999"}, "app.python.args.x: 99999999999999999999: must fit into 64 bits", 2},
	{Train, []string{"nonsense"}, "must be key=value with a dotted key, such as batch_size=32", 2},
	// libraries of operations
	{Train, []string{"tensorflow.op_libraries=[tensorflow_text]"}, "tensorflow: does not apply to a python app", 2},
	{Infer, []string{"tensorflow.op_libraries=tensorflow_text"}, "tensorflow.op_libraries: tensorflow_text: must be a list", 2},
	{Infer, []string{"tensorflow.op_libraries=[mine.so]"}, "tensorflow.op_libraries[0]: mine.so: is taken for a Python package: write ./mine.so for a file", 2},
	{Infer, []string{"tensorflow.op_libraries=[hdfs://nn/mine.so]"}, "tensorflow.op_libraries[0]: hdfs://nn/mine.so: must be a file of this machine, local:/path for one on executors, or a Python package", 2},
	{Infer, []string{"tensorflow.op_libraries=[a/mine.so, b/mine.so]"}, "tensorflow.op_libraries[1]: /jobs/b/mine.so: has the same file name as tensorflow.op_libraries[0]: they are shipped into one folder", 2},
	{Infer, []string{"tensorflow.op_libraries=['no name']"}, "tensorflow.op_libraries[0]: no name: must be the path of a library, or the name of a Python package", 2},
	// the application
	{Train, []string{"app="}, "app: absent: must have one of python, graph", 2},
	{Train, []string{"app.graph.path=g"}, "app: python and graph: must have exactly one of them", 2},
	{Train, []string{"app.python.file="}, "app.python.file: absent: say which program runs (or app.python.module)", 2},
	{Train, []string{"app.python.file=train.sh"}, "app.python.file: /jobs/train.sh: must end in .py", 2},
	{Train, []string{"app.python.file=hdfs://n/train.py"}, "app.python.file: hdfs://n/train.py: must be a file on this machine", 2},
	{Train, []string{"app.python.function=a.b"}, "app.python.function: a.b: must be the name of a function", 2},
	{Train, []string{"app.python.export_function=e"}, "app.python.export_function: e: needs export_dir", 2},
	{Train, []string{"app.python.export_function=e", "export_dir=x", "app.python.function="}, "app.python.export_function: e: needs app.python.function", 2},
	{Train, []string{"app.python.args.batch_size=3"}, "app.python.args.batch_size: 3: is a parameter of the job already: the key batch_size sets it", 2},
	{Train, []string{"app.python.args={a-b: 1}"}, "app.python.args.a-b: must be a Python name: it becomes args.a-b", 2},
	{Train, []string{"app.python.outputs=[/tmp/logs]"}, "app.python.outputs[0]: /tmp/logs: must be below the working directory of the program: only what lies there is brought", 2},
	{Train, []string{"app.python.outputs=[logs, a/../../b]"}, "app.python.outputs[1]: a/../../b: must be below the working directory of the program: only what lies there is brought", 2},
	{Train, []string{"app.python.outputs=['hdfs://n/logs']"}, "app.python.outputs[0]: hdfs://n/logs: must be below the working directory of the program: only what lies there is brought", 2},
	{Train, []string{"app.python.outputs=['']"}, "app.python.outputs[0]: must name files below the working directory: . for all of them", 2},
	{Train, []string{"app.python.outputs=['log[s']"}, "app.python.outputs[0]: log[s: is no pattern: a bracket is not closed", 2},
	{Train, []string{"app.python.output_dir=kept"}, "app.python.output_dir: /jobs/kept: does nothing without app.python.outputs", 2},
	{Train, []string{"app.python.outputs=[logs]", "app.python.output_dir=a*"}, "app.python.output_dir: /jobs/a*: must be one folder, not a pattern", 2},
	{Train, []string{"app.python.outputs=[logs]", "app.python.output_dir=viewfs://n/kept"}, "app.python.output_dir: viewfs://n/kept: no store of tfos has this scheme: not supported yet", 2},
	{Train, []string{"app.python.outputs=[logs]", "app.python.output_dir=out/kept", "export_dir=out"}, "export_dir: /jobs/out: overlaps app.python.output_dir (/jobs/out/kept)", 2},
	{Train, []string{"app.python.outputs=[logs]", "spark={master: yarn, deploy_mode: cluster}"}, "app.python.outputs: needs app.python.output_dir with spark.deploy_mode cluster: this machine's record is out of the driver's reach", 2},
	{Train, []string{"app.python.py_files=[a.txt]"}, "app.python.py_files[0]: /jobs/a.txt: must end in .py, .zip or .egg", 2},
	{Train, []string{"app.python.py_files=[lib/train.py]"}, "app.python.py_files[0]: /jobs/lib/train.py: has the same file name as one of app.python.file: they are shipped into one folder", 2},
	{Train, []string{"app.python.py_files=[a/x.py, b/x.py]"}, "app.python.py_files[1]: /jobs/b/x.py: has the same file name as one of app.python.py_files[0]: they are shipped into one folder", 2},
	{Train, []string{"app.python.py_files=[tfos.zip]"}, "app.python.py_files[0]: /jobs/tfos.zip: has the same file name as one of tfos: they are shipped into one folder", 2},
	{Train, []string{"app.python.file=app.py", "spark={master: yarn, deploy_mode: cluster}"}, "app.python.file: /jobs/app.py: has the same file name as one of tfos: they are shipped into one folder", 2},
	{Train, []string{"app.python.file='a,b.py'", "spark={master: yarn, deploy_mode: cluster}"}, "app.python.file: /jobs/a,b.py: must have no comma: spark-submit --files takes a list", 2},
	{Train, []string{"app.python.function=", "app.python.args.lr=0.1"}, "app.python.args: a mapping: must be a list for a script: it becomes argv, where {model_dir} stands for the parameter", 2},
	{Train, []string{"app.python.args=[--out, '{export_dir}/1']"}, "app.python.args[1]: {export_dir}/1: the job has no export_dir", 2},
	{Train, []string{"app.python.module=pkg.train"}, "app.python.module: pkg.train: is in the place of app.python.file: give one of them", 2},
	{Train, []string{"app.python.file=", "app.python.module=pkg/train.py"}, "app.python.module: pkg/train.py: is a path: must be the name of a module, such as pkg.train; a path goes into app.python.file", 2},
	{Train, []string{"app.python.file=", "app.python.module=pkg..train"}, "app.python.module: pkg..train: must be the name of a module, such as pkg.train", 2},
	{Train, []string{"app.python.files=config.json"}, "app.python.files: config.json: must be a list", 2},
	{Train, []string{"app.python.files=[hdfs://n/x]"}, "app.python.files[0]: hdfs://n/x: must be a file, folder or pattern on this machine: a program opens a URL itself", 2},
	{Train, []string{"app.python.requirements=[pandas]"}, "app.python.requirements: " + wantedInstead["app.python.requirements"], 2},
	{Train, []string{"app.python.interpreter=python3 -u"}, "app.python.interpreter: python3 -u: " + noArguments, 2},
	{Train, []string{"app.python.interpreter=/opt/my python/bin/python3 -X dev=/x"}, "app.python.interpreter: /opt/my python/bin/python3 -X dev=/x: " + noArguments, 2},
	{Train, []string{"app.python.interpreter=/usr/bin/env python3"}, "app.python.interpreter: /usr/bin/env python3: " + noArguments, 2},
	// the cluster
	{Train, []string{"resources.all.env.TF_CONFIG=x"}, "resources.all.env.TF_CONFIG: x: is set by tfos", 2},
	{Train, []string{"resources.all.cores=2"}, "resources.all.cores: " + byRole, 2},
	{Train, []string{"cluster_size=0"}, "cluster_size: 0: must be 1 or more", 2},
	{Train, []string{"cluster_size=1000000000000"}, "cluster_size: 1000000000000: must be 10000 or less", 2},
	{Train, []string{"strategy="}, "strategy: absent: say how 2 members train together: one of parameter_server, all_reduce, independent", 2},
	{Train, []string{"strategy=all-reduce"}, "strategy: all-reduce: must be one of parameter_server, all_reduce, independent (did you mean all_reduce?)", 2},
	{Train, []string{"strategy=parameter_server"}, "num_ps: 0: must be 1 or more for strategy parameter_server", 2},
	{Train, []string{"strategy=all_reduce", "num_ps=1"}, "num_ps: 1: must be 0 for strategy all_reduce", 2},
	{Train, []string{"strategy=parameter_server", "num_ps=2"}, "cluster_size: 2: leaves no worker: 2 ps, 0 chief and 0 evaluator are part of it", 2},
	{Train, []string{"num_ps=-1"}, "num_ps: -1: must be 0 or more", 2},
	{Train, []string{"chief=true"}, "chief: true: independent workers have no chief", 2},
	{Train, []string{"evaluator=true"}, "evaluator: true: independent workers have no evaluator", 2},
	{Train, []string{"resources.worker.cores=0"}, "resources.worker.cores: 0: must be 1 or more", 2},
	{Train, []string{"resources.worker.gpus=-1"}, "resources.worker.gpus: -1: must be 0 or more", 2},
	{Train, []string{"resources.worker.gpus=1001"}, "resources.worker.gpus: 1001: must be 1000 or less", 2},
	{Infer, []string{"resources.worker.gpus=2"}, "resources.worker.gpus: 2: must be 1 or less", 2},
	{Train, []string{"app={graph: {path: g}}", "resources.worker.gpus=2"}, "resources.worker.gpus: 2: must be 1 or less", 2},
	{Export, []string{"resources.worker.gpus=1"}, "resources.worker.gpus: 1: does not apply to a job of kind export, but to: train, infer", 2},
	{Train, []string{"resources.worker.gpus=1", "resources.worker.env.CUDA_VISIBLE_DEVICES=0"}, "resources.worker.env.CUDA_VISIBLE_DEVICES: 0: does not apply beside resources.worker.gpus: tfos sets it", 2},
	{Train, []string{"resources.worker.gpus=1", "resources.all.env.CUDA_VISIBLE_DEVICES=0"}, "resources.all.env.CUDA_VISIBLE_DEVICES: 0: does not apply beside resources.worker.gpus: tfos sets it", 2},
	{Train, []string{"spark.conf.spark.executorEnv.CUDA_VISIBLE_DEVICES=0"}, "spark.conf.spark.executorEnv.CUDA_VISIBLE_DEVICES: 0: does not count: no member asks for GPUs (resources.worker.gpus)", 2},
	{Train, []string{"spark.conf.spark.executor.resource.gpu.amount=1"}, "spark.conf.spark.executor.resource.gpu.amount: 1: is not for the user to set: resources.*.gpus decides", 2},
	{Train, []string{"spark.master=yarn", "resources.worker.gpus=2", "spark.conf.spark.executor.resource.gpu.amount=1"}, "spark.conf.spark.executor.resource.gpu.amount: 1: is set by tfos to 2: resources.*.gpus decides", 2},
	{Train, []string{"spark.master=yarn", "resources.worker.gpus=2", "spark.conf.spark.task.resource.gpu.amount=1"}, "spark.conf.spark.task.resource.gpu.amount: 1: is not for the user to set: resources.*.gpus decides", 2},
	{Train, []string{"resources.ps.cores=2"}, "resources.ps: does not apply: the job has no ps", 2},
	{Train, []string{"resources.worker.env.TF_CONFIG=x"}, "resources.worker.env.TF_CONFIG: x: is set by tfos", 2},
	{Train, []string{"resources.worker.env.MY-TOKEN=x"}, "resources.worker.env.MY-TOKEN: ***: must have letters, digits and underscores in its name", 2},
	{Train, []string{"timeouts.lease=10ms"}, "timeouts.lease: 10ms: must be 1s or more", 2},
	{Train, []string{"timeouts.stall=5s"}, "timeouts.stall: 5s: must be at least timeouts.lease (10s)", 2},
	{Train, []string{"retries.generations=-1"}, "retries.generations: -1: must be 0 or more", 2},
	// the data
	{Train, []string{"input="}, "input.path: absent: say what Spark reads (one of path, table, sql), or set input_mode: tensorflow for a program that reads its own data", 2},
	{Train, []string{"input={path: a, table: b}"}, "input: path and table: must have exactly one of path, table, sql", 2},
	{Train, []string{"input={table: b, format: csv}"}, "input.format: applies to a path only", 2},
	{Train, []string{"input={path: a, train: {path: b}}"}, "input: both: is one source, or named ones (train, validation), not both", 2},
	{Train, []string{"input={validation: {path: b}}"}, "input.train: absent: say what is trained on", 2},
	{Train, []string{"input={train: {path: b, fromat: csv}}"}, "input.train.fromat: unknown key (did you mean format?)", 2},
	{Train, []string{"input_mapping={a: x, b: x}"}, "input_mapping.b: x: is the name that input_mapping.a has", 2},
	{Train, []string{"input_mapping={a: ''}"}, "input_mapping.a: must name both sides", 2},
	{Train, []string{"input_mapping={a: null}"}, "input_mapping.a: null: must be text", 2},
	{Train, []string{"batch_size=0"}, "batch_size: 0: must be 1 or more", 2},
	{Train, []string{"epochs=-3"}, "epochs: -3: must be 1 or more", 2},
	{Train, []string{"steps=0"}, "steps: 0: must be 1 or more", 2},
	{Train, []string{"steps=1"}, "steps: 1: must be at least one for each of 2 workers", 2},
	{Train, []string{"steps=1", "cluster_size=3", "strategy=parameter_server", "num_ps=1"}, "steps: 1: must be at least one for each of 2 workers", 2},
	{Train, []string{"steps=9000000000000000"}, "steps: 9000000000000000: is too large: steps x batch_size must stay below 2^53 rows", 2},
	{Train, []string{"shuffle.buffer=0"}, "shuffle.buffer: 0: must be 1 or more", 2},
	{Train, []string{"protocol=http"}, "protocol: http: must be one of grpc, grpc+verbs, rdma", 2},
	{Train, []string{"tensorboard=true"}, "tensorboard: true: needs model_dir", 2},
	// the outputs
	{Train, []string{"export_if_exists=replace"}, "export_if_exists: replace: needs export_dir", 2},
	{Train, []string{"export_dir=x", "export_if_exists=overwrite"}, "export_if_exists: overwrite: must be one of fail, replace", 2},
	{Train, []string{"export_format=saved_model"}, "export_format: saved_model: needs export_dir", 2},
	{Train, []string{"export_dir=x", "export_format=keras"}, "export_format: keras: must be one of any, saved_model", 2},
	{Train, []string{"export_dir=/"}, "export_dir: /: must be a folder with a name", 2},
	{Train, []string{"export_dir=out*"}, "export_dir: /jobs/out*: must be one folder, not a pattern", 2},
	{Train, []string{"export_dir=data"}, "export_dir: /jobs/data: overlaps input.path (/jobs/data): " + readAsRows, 2},
	{Train, []string{"model_dir=data/m"}, "model_dir: /jobs/data/m: overlaps input.path (/jobs/data): " + readAsRows, 2},
	{Train, []string{"output.path=out", "input.path=out/rows"}, "output.path: /jobs/out: overlaps input.path (/jobs/out/rows): the input lies in it: choose another folder", 2},
	{Train, []string{"export_dir=b/2", "input={train: {path: a}, validation: {path: 'b/*'}}"}, "export_dir: /jobs/b/2: overlaps input.validation.path (/jobs/b/*): " + readAsRows, 2},
	{Train, []string{"export_dir=out", "model_dir=out/model"}, "export_dir: /jobs/out: overlaps model_dir (/jobs/out/model)", 2},
	{Train, []string{"export_dir=out", "output.path=out/rows"}, "export_dir: /jobs/out: overlaps output.path (/jobs/out/rows)", 2},
	{Train, []string{"output.if_exists=replace"}, "output.path: absent: say where the rows go", 2},
	{Infer, []string{"output.path=data/preds"}, "output.path: /jobs/data/preds: overlaps input.path (/jobs/data): " + readAsRows, 2},
	{Infer, []string{"output.path=data/preds", "input.path=data/*"}, "output.path: /jobs/data/preds: overlaps input.path (/jobs/data/*): " + readAsRows, 2},
	{Infer, []string{"output.path=data/a/b", "input.path=data/**/*.parquet"}, "output.path: /jobs/data/a/b: overlaps input.path (/jobs/data/**/*.parquet): " + readAsRows, 2},
	{Infer, []string{"output.path=preds", "input.path='{data,preds}/*.parquet'"}, "output.path: /jobs/preds: overlaps input.path (/jobs/{data,preds}/*.parquet): the input lies in it: choose another folder", 2},
	{Infer, []string{"output.path=hdfs://n/d/out", "input.path=hdfs://n/d"}, "output.path: hdfs://n/d/out: overlaps input.path (hdfs://n/d): " + readAsRows, 2},
	{Infer, []string{"export_dir=data/m"}, "export_dir: /jobs/data/m: overlaps input.path (/jobs/data): " + readAsRows, 2},
	{Infer, []string{"output.path=m"}, "output.path: /jobs/m: overlaps export_dir (/jobs/m)", 2},
	{Infer, []string{"output="}, "output.path: absent: say where the predictions go", 2},
	// inference
	{Infer, []string{"batch_size=0"}, "batch_size: 0: must be 1 or more", 2},
	{Infer, []string{"batch_size=automatic"}, "batch_size: automatic: must be a whole number", 2},
	{Train, []string{"batch_size=auto"}, "batch_size: auto: auto is for inference: another size is another training", 2},
	{Infer, []string{"export_dir="}, "export_dir: absent: say which SavedModel is run (or, with model_dir, which checkpoint)", 2},
	{Infer, []string{"model_dir=ckpt"}, "model_dir: /jobs/ckpt: export_dir is the model already: name one of them", 2},
	{Infer, []string{"export_dir=", "model_dir=ckpt", "tag_set=a"}, "tag_set: [a]: does not apply to a checkpoint: its .meta file has one graph", 2},
	{Infer, []string{"signature_def_key=s", "input_mapping={a: 'x:0'}", "output_mapping={'y:0': p}"}, "signature_def_key: s: does not apply: the mappings name tensors alone", 2},
	{Infer, []string{"input={table: t}", "read_by=executor"}, "input.table: t: needs read_by: spark", 2},
	{Infer, []string{"read_by=me"}, "read_by: me: must be one of executor, spark, auto", 2},
	{Train, []string{"input={sql: select 1}", "read_by=executor"}, "input.sql: select 1: needs read_by: spark", 2},
	{Train, []string{"input.format=orc", "read_by=executor"}, "input.format: orc: needs read_by: spark", 2},
	{Train, []string{"input.path=viewfs://a/b", "read_by=executor"}, "input.path: viewfs://a/b: needs read_by: spark", 2},
	{Train, []string{"feeder=pipe", "read_by=executor"}, "feeder: pipe: needs read_by: spark", 2},
	{Infer, []string{"local=true", "spark.master=yarn"}, "spark.master: yarn: does not apply to local: true: say where the job runs, once", 2},
	{Infer, []string{"local=true", "spark.conf.spark.task.cpus=2"}, "spark.conf.spark.task.cpus: 2: is set by tfos to 1: resources.*.cores decides", 2},
	{Train, []string{"local=true"}, "local: does not apply to a python app: a Python program runs in Spark: spark.master: local[n] runs it on this machine", 2},
	{Infer, []string{"keep=[id, id]"}, "keep[1]: id: must be a name, and not twice", 2},
	{Infer, []string{"keep=[id]", "output_mapping.y=id"}, "output_mapping.y: id: is the name of a column in keep", 2},
	{Infer, []string{"signature_def_key=''"}, "signature_def_key: must not be empty", 2},
	{Infer, []string{"tag_set='a,,b'"}, "tag_set: [a  b]: must name tags, such as serve", 2},
	{Infer, []string{"max_bad=1%"}, "max_bad: 1%: needs on_bad_row: skip or quarantine", 2},
	{Infer, []string{"on_bad_row=drop"}, "on_bad_row: drop: must be one of fail, skip, quarantine", 2},
	{Infer, []string{"on_bad_row=quarantine", "keep=[id, row]"}, "keep[1]: row: is a column that quarantine files have of their own (file, offset, row, column, reason): rename it, or use on_bad_row: skip", 2},
	{Infer, []string{"on_bad_row=quarantine", "input={table: t}", "keep=[file, partition]"}, "keep[1]: partition: is a column that quarantine files have of their own (partition, row, column, reason): rename it, or use on_bad_row: skip", 2},
	// export
	{Export, []string{"model_dir=", "app="}, "model_dir: absent: say which checkpoint is exported, or app.graph.path: which graph with its own variables", 2},
	{Export, []string{"app={graph: {}}"}, "app.graph.path: absent: say which graph the checkpoint belongs to", 2},
	{Export, []string{"app=", "tag_set=a"}, "tag_set: [a]: needs app.graph.path: a SavedModel", 2},
	{Export, []string{"spark={master: 'local[2]'}"}, "spark: does not apply to an export: it runs on this machine, for it copies files and computes nothing. Remove it", 2},
	{Export, []string{"serving_layout=true", "export_if_exists=replace"}, "export_if_exists: replace: does not apply to serving_layout: every export is a new version", 2},
	{Export, []string{"export_dir=g"}, "export_dir: /jobs/g: overlaps app.graph.path (/jobs/g)", 2},
	{Export, []string{"export_dir=g/1"}, "export_dir: /jobs/g/1: overlaps app.graph.path (/jobs/g)", 2},
	{Export, []string{"signatures=[a, a]"}, "signatures[1]: a: must be a name, and not twice", 2},
	{Export, []string{"model_dir=viewfs://b/m"}, "model_dir: viewfs://b/m: no store of tfos has this scheme: not supported yet", 2},
	{Export, []string{"export_dir="}, "export_dir: absent: say where the SavedModel goes", 2},
	{Export, []string{"signatures=[]"}, "signatures: must name at least one", 2},
	{Export, []string{"signatures={a: {inputs: {x: 'x:0'}}}"}, "signatures.a: must have inputs and outputs", 2},
	{Export, []string{"signatures={a: {inptus: {x: 'x:0'}}}"}, "signatures.a.inptus: unknown key (did you mean inputs?)", 2},
	// Spark
	{Train, []string{"spark.master=local[0]"}, "spark.master: local[0]: must be local[n], local-cluster[n,cores,MiB], spark://host:port, yarn, k8s://… or mesos://…", 2},
	{Train, []string{"spark={master: yarn, deploy_mode: cluster}"}, "spark.record_dir: absent: say where launcher and driver both see the run's record: the job has no model_dir, output or export_dir", 2},
	{Train, []string{"spark={master: yarn, record_dir: /r}"}, "spark.record_dir: /r: only applies to spark.deploy_mode cluster: else the record is in TFOS_STATE_DIR", 2},
	{Train, []string{"spark={master: yarn, deploy_mode: cluster, record_dir: 'hdfs:///r*'}"}, "spark.record_dir: hdfs:///r*: must be one folder, not a pattern", 2},
	{Train, []string{"spark.deploy_mode=remote"}, "spark.deploy_mode: remote: must be one of client, cluster", 2},
	{Train, []string{"spark.deploy_mode=cluster"}, "spark.deploy_mode: cluster: Spark refuses Python applications in cluster mode on local-cluster: use client", 2},
	{Train, []string{"spark={master: 'local[4]', deploy_mode: cluster}"}, "spark.deploy_mode: cluster: Spark refuses Python applications in cluster mode on local: use client", 2},
	{Train, []string{"spark={master: 'spark://h:1', deploy_mode: cluster}"}, "spark.deploy_mode: cluster: Spark refuses Python applications in cluster mode on standalone: use client", 2},
	{Train, []string{"spark={master: 'k8s://h:1', conf: {spark.app.id: mine}}"}, "spark.conf.spark.app.id: mine: is set by tfos: by it the run is known", 2},
	{Train, []string{"spark={master: yarn, deploy_mode: cluster, record_dir: 'hdfs:///r', conf: {spark.yarn.submit.waitAppCompletion: 'true'}}"}, "spark.conf.spark.yarn.submit.waitAppCompletion: true: is set by tfos: by it the run is known", 2},
	{Train, []string{"spark.conf.hadoop.x=1"}, "spark.conf.hadoop.x: 1: is no Spark setting: they begin with spark.", 2},
	{Infer, []string{"spark.master=local[2]", "tensorflow.archive=tf.tgz"}, "tensorflow.archive: /jobs/tf.tgz: does not apply to local: it has no executors that unpack it", 2},
	{Infer, []string{"spark.master=yarn", "tensorflow={archive: tf.tgz, lib_dir: lib}"}, "tensorflow.lib_dir: /jobs/lib: does not go with tensorflow.archive: libtensorflow is in the archive", 2},
	{Train, []string{"spark.master=yarn", "environment.archive=env.rar"}, "environment.archive: /jobs/env.rar: must be a .tar.gz, .tgz, .tar or .zip file: executors unpack it", 2},
	{Train, []string{"spark.master=yarn", "environment.archive='a#b.tgz'"}, "environment.archive: /jobs/a#b.tgz: must have no comma and no #: Spark's setting for archives is a list", 2},
	{Train, []string{"spark.master=yarn", "environment.archive=env.tgz", "app.python.interpreter=python3.11"}, "app.python.interpreter: python3.11: does not go with environment.archive: that is the Python of executors", 2},
	{Train, []string{"spark.master=yarn", "environment.archive=env.tgz", "spark.conf.spark.pyspark.python=/py"}, "spark.conf.spark.pyspark.python: /py: does not go with environment.archive: that is the Python of executors", 2},
	{Train, []string{"spark.conf.spark.master=yarn"}, "spark.conf.spark.master: yarn: has a key of its own: spark.master", 2},
	{Train, []string{"spark.conf.spark.speculation=true"}, "spark.conf.spark.speculation: true: is set by tfos to false", 2},
	{Train, []string{"spark.conf.spark.cores.max=99"}, "spark.conf.spark.cores.max: 99: is set by tfos to 6: cluster_size decides", 2},
	{Train, []string{"spark.conf.spark.task.cpus=2"}, "spark.conf.spark.task.cpus: 2: is set by tfos to 1: resources.*.cores decides", 2},
	{Train, []string{"spark.conf.spark.executor.memory=lots"}, "spark.conf.spark.executor.memory: lots: must be a size such as 1g", 2},
	{Train, []string{"spark.conf.spark.task.maxFailures=0"}, "spark.conf.spark.task.maxFailures: 0: must be 1 or more", 2},
	{Train, []string{`spark.conf.spark.my.password="a\nb"`}, "spark.conf.spark.my.password: ***: must be one line", 2},
	// arithmetic
	{Train, []string{"spark.master=local[2]"}, "spark.master: local[2]: has room for 1 of 2 members, none for worker:1: use local[3] or more, or a smaller cluster_size", 4},
	{Train, []string{"spark.master=local"}, "spark.master: local: has room for 0 of 2 members, none for worker:0, worker:1: use local[3] or more, or a smaller cluster_size", 4},
	{Infer, []string{"cluster_size=3", "spark.master=local[2]"}, "spark.master: local[2]: has room for 2 of 3 members, none for worker:2: use local[3] or more, or a smaller cluster_size", 4},
	{Train, []string{"spark.master=local-cluster[1,3,1024]"}, "spark.master: local-cluster[1,3,1024]: has room for 1 of 2 members, none for worker:1: use local-cluster[2,3,1024] or more, or a smaller cluster_size", 4},
	{Train, []string{"spark.master=local-cluster[2,1,1024]"}, "spark.master: local-cluster[2,1,1024]: has room for 0 of 2 members, none for worker:0, worker:1: use local-cluster[2,2,1024] or more, or a smaller cluster_size", 4},
	{Train, []string{"spark.master=local-cluster[2,3,512]"}, "spark.master: local-cluster[2,3,512]: has room for 0 of 2 members, none for worker:0, worker:1: use local-cluster[2,3,1024] or more, or a smaller cluster_size", 4},
}

func base(kind Kind) string {
	return map[Kind]string{Train: trainBase, Infer: inferBase, Export: exportBase}[kind]
}

// faultsOf runs the stages of Load with a folder of its own.
func faultsOf(kind Kind, text string, sets ...string) Faults {
	s, faults := parse([]byte(text), "job.yaml", kind, nil, sets)
	_, err := finish(s, faults, "/jobs")
	var out Faults
	errors.As(err, &out)
	return out
}

// plain is a fault without its place.
func plain(f Fault) string {
	f.File, f.Line = "", 0
	return f.Error()
}

func TestEveryRule(t *testing.T) {
	for kind := range map[Kind]bool{Train: true, Infer: true, Export: true} {
		if faults := faultsOf(kind, base(kind)); len(faults) > 0 {
			t.Fatalf("the base of %s has faults: %v", kind, faults)
		}
	}
	for _, c := range append(faultCases, predictFaults...) {
		t.Run(string(c.kind)+" "+strings.Join(c.sets, " "), func(t *testing.T) {
			faults := faultsOf(c.kind, base(c.kind), c.sets...)
			for _, f := range faults {
				if plain(f) == c.want {
					if f.Code != c.code {
						t.Errorf("code %d, want %d", f.Code, c.code)
					}
					return
				}
			}
			t.Errorf("no fault %q in:\n%v", c.want, faults)
		})
	}
}

// A value of the wrong form is one fault, not also those of the value it is not.
func TestOneFaultPerCause(t *testing.T) {
	for _, sets := range [][]string{{"batch_size=x"}, {"input="}, {"app.python=3"}, {"spark=yarn"}, {"strategy=[a]"}, {"timeouts.lease=1"}} {
		if faults := faultsOf(Train, trainBase, sets...); len(faults) != 1 {
			t.Errorf("%v: %d faults: %v", sets, len(faults), faults)
		}
	}
}

// What looks like an overlap or a clash and does no harm.
func TestAllowed(t *testing.T) {
	for _, sets := range [][]string{
		{"model_dir=model", "export_dir=model/export"},
		{"export_dir=data-export"},
		{"app.python.file=app.py"},
		{"app.python.file=", "app.python.module=pkg.train", "app.python.files=[a.json, 'd/*.csv', ../x]"},
		{"app.python.interpreter=/opt/my python/bin/python3"},
		{"resources.all.env.A=b"},
		{"spark.conf.spark.speculation='FALSE'", "spark.conf.spark.scheduler.minRegisteredResourcesRatio=0"},
		{"spark.conf.spark.cores.max=6", "spark.conf.spark.executor.memory=2048"},
		{"app.python.args=[--batch_size, '3']"},
		{"spark.master=local[*]"},
		{"spark.master=local-cluster[1,6,2048]"},
		{"steps=2"},
		{"cluster_size=10000"},
		{"timeouts.lease=1s"},
		{"timeouts.stall=10s"},
		{"spark.conf.spark.task.maxFailures=1"},
	} {
		if faults := faultsOf(Train, trainBase, sets...); len(faults) > 0 {
			t.Errorf("%v: %v", sets, faults)
		}
	}
	for _, share := range []string{"0%", "100%"} {
		if faults := faultsOf(Infer, inferBase, "on_bad_row=skip", "max_bad="+share); len(faults) > 0 {
			t.Errorf("max_bad %s: %v", share, faults)
		}
	}
}

// unsupportedCases name every key that is refused until it is built.
var unsupportedCases = []struct {
	kind Kind
	path string
	sets []string
}{
	{Train, "app.graph.path", []string{"app={graph: {path: 'viewfs://n/g'}}"}},
	{Train, "app.graph.init_from", []string{"app={graph: {path: g, init_from: 'viewfs://b/g'}}"}},
	{Train, "retries.generations", []string{"retries.generations=3"}},
	{Train, "resources.worker.gpus", []string{"spark.master=mesos://h:1", "resources.worker.gpus=1"}},
	{Train, "export_dir", []string{"export_dir=viewfs://n/x"}},
	{Train, "output.path", []string{"output.path=viewfs://b/x"}},
	{Infer, "output.partition_by", []string{"read_by=spark", "keep=[id]", "output={path: 's3://b/x', if_exists: resume, partition_by: [id]}"}},
	{Train, "output.format", []string{"output={path: x, format: csv}"}},
	{Train, "output.if_exists", []string{"output={path: x, if_exists: resume}"}},
	{Infer, "export_dir", []string{"export_dir=viewfs://b/m"}},
	{Infer, "model_dir", []string{"export_dir=", "model_dir=viewfs://n/ckpt"}},
	{Train, "output.if_exists", []string{"output={path: x, if_exists: skip}"}},
	{Infer, "output.path", []string{"output.path=viewfs://b/x"}},
}

func TestNotSupportedYet(t *testing.T) {
	for _, c := range unsupportedCases {
		t.Run(string(c.kind)+" "+c.path, func(t *testing.T) {
			var found bool
			faults := faultsOf(c.kind, base(c.kind), c.sets...)
			for _, f := range faults {
				if errors.Is(f, ErrUnsupported) && (f.Path == c.path || parent(f.Path) == c.path) {
					found = f.Code == exit.Usage && strings.HasSuffix(f.Error(), ": not supported yet")
				} else if !errors.Is(f, ErrUnsupported) {
					t.Errorf("a fault of another kind: %v", f)
				}
			}
			if !found {
				t.Errorf("%s is not refused: %v", c.path, faults)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		sets []string
		want string
	}{
		{[]string{"app.python.args=[--out, '{export_path}']", "model_dir=m"}, "app.python.args[1]: {export_path}: {export_path} is no parameter of the job: it stays as it is"},
		{[]string{"strategy=parameter_server", "cluster_size=4", "num_ps=1", "chief=true", "resources.ps.memory=8g"}, "resources.ps.memory: is not enforced here: standalone masters count the JVM heap only"},
		{[]string{"strategy=parameter_server", "cluster_size=4", "num_ps=1", "chief=true", "resources.chief.cores=2", "spark.master=local[8]"}, "resources.chief.cores: is not enforced on local[n]: members share the driver's machine"},
		{[]string{"strategy=parameter_server", "cluster_size=4", "num_ps=1", "chief=true"}, "chief: true: ParameterServerStrategy pulls its dataset through the chief: Spark feeds the chief alone"},
	} {
		warnings := spec(t, Train, trainBase, c.sets...).Warnings()
		if !slices.ContainsFunc(warnings, func(f Fault) bool { return plain(f) == c.want && f.Code == 0 }) {
			t.Errorf("%v: no warning %q in %v", c.sets, c.want, warnings)
		}
	}
}

// Workers that write results must succeed even beside a chief that decides.
func TestRequiredMembers(t *testing.T) {
	for _, c := range []struct {
		sets []string
		want string
	}{
		{nil, "worker:0 worker:1"},
		{[]string{"strategy=all_reduce", "chief=true"}, "chief:0"},
		{[]string{"strategy=all_reduce", "chief=true", "output.path=o"}, "chief:0 worker:0"},
		{[]string{"strategy=parameter_server", "cluster_size=4", "num_ps=1", "chief=true", "output.path=o"}, "chief:0"},
		{[]string{"strategy=parameter_server", "cluster_size=4", "num_ps=1", "evaluator=true"}, "worker:0 worker:1"},
	} {
		var required []string
		for _, m := range spec(t, Train, trainBase, c.sets...).members() {
			if m.Required {
				required = append(required, fmt.Sprintf("%s:%d", m.Job, m.Index))
			}
		}
		if got := strings.Join(required, " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.sets, got, c.want)
		}
	}
}

func TestSubmittable(t *testing.T) {
	inCluster := spec(t, Train, trainBase, "model_dir=/m", "spark={master: yarn, deploy_mode: cluster}")
	for _, s := range []*Spec{spec(t, Train, trainBase), spec(t, Export, exportBase), inCluster} {
		if err := s.Submittable(); err != nil {
			t.Errorf("%s job: %v", s.Kind(), err)
		}
	}
	for _, s := range []*Spec{
		spec(t, Train, trainBase, "model_dir=/m", "spark={master: 'mesos://h:1', deploy_mode: cluster}"),
	} {
		err := s.Submittable()
		var faults Faults
		if !errors.Is(err, ErrUnsupported) || !errors.As(err, &faults) || faults.Code() != exit.Usage {
			t.Errorf("%s job: %v", s.Kind(), err)
		}
	}
}

func TestFaultsAreInTheOrderOfTheFile(t *testing.T) {
	text := "strategy: independent\ncluster_size: 0\nbatch_size: 0\nepochs: 0\ninput: {path: data}\n" +
		"app:\n  python:\n    file: train.py\n    function: 3x\n"
	got := faultsOf(Train, text, "steps=-1", "protcol=x").Error()
	want := `job.yaml:2: cluster_size: 0: must be 1 or more
job.yaml:3: batch_size: 0: must be 1 or more
job.yaml:4: epochs: 0: must be 1 or more
job.yaml:9: app.python.function: 3x: must be the name of a function
--set steps=-1: steps: -1: must be 1 or more
--set protcol=x: protcol: unknown key (did you mean protocol?)`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFaultsCode(t *testing.T) {
	for _, c := range []struct {
		codes []exit.Code
		want  exit.Code
	}{{nil, 0}, {[]exit.Code{7}, 7}, {[]exit.Code{4}, 4}, {[]exit.Code{7, 2}, 2}, {[]exit.Code{4, 2}, 2}} {
		var fs Faults
		for _, code := range c.codes {
			fs = append(fs, Fault{Code: code})
		}
		if got := fs.Code(); got != c.want {
			t.Errorf("%v: %d, want %d", c.codes, got, c.want)
		}
	}
}

// All faults of a file come at once: any mixture of one fault per key gives
// each of them.
func TestAllFaultsAtOnce(t *testing.T) {
	snippets := map[string]string{
		"batch_size":     "batch_size: 0\n",
		"epochs":         "epochs: x\n",
		"steps":          "steps: -1\n",
		"protocol":       "protocol: http\n",
		"shuffle.buffer": "shuffle: {buffer: 0}\n",
		"readers":        "readers: 2\n",
		"checkpoint":     "checkpoint: {}\n",
		"tensorboard":    "tensorboard: true\n",
		"timeouts.lease": "timeouts: {lease: 1}\n",
		"spark.master":   "spark: {master: nowhere}\n",
		"epocs":          "epocs: 2\n",
		"num_ps":         "num_ps: -2\n",
		"output.path":    "output: {if_exists: fail}\n",
		"keep":           "keep: [a]\n",
	}
	var keys []string
	for key := range snippets {
		keys = append(keys, key)
	}
	state := uint32(1)
	for round := range 300 {
		text, want := trainBase, map[string]bool{}
		for _, key := range keys {
			if state = state*1664525 + 1013904223; state>>31 == 1 {
				text += snippets[key]
				want[key] = true
			}
		}
		got := map[string]bool{}
		faults := faultsOf(Train, text)
		for _, f := range faults {
			got[f.Path] = true
			if f.Line < 1 {
				t.Fatalf("no line: %v", f)
			}
		}
		for key := range want {
			if !got[key] {
				t.Fatalf("round %d: no fault of %s in\n%s\n%v", round, key, text, faults)
			}
		}
		if !reflect.DeepEqual(faults, faultsOf(Train, text)) {
			t.Fatal("faults of one file differ between two runs")
		}
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "no.yaml"), Train, nil)
	var faults Faults
	if !errors.As(err, &faults) || faults.Code() != exit.Usage || !strings.HasSuffix(err.Error(), "no.yaml: no such file or directory") {
		t.Errorf("%v", err)
	}
}

func TestLoadHugeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(path, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, Train, nil); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("%v", err)
	}
}
