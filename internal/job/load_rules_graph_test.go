package job

import (
	"slices"
	"strings"
	"testing"
)

// graphFaults are faults of a training graph: changes of graphBase, and what is said.
var graphFaults = []struct {
	sets []string
	want string
}{
	{[]string{"app.graph.path="}, "app.graph.path: absent: say which graph is trained"},
	{[]string{"app.graph.train_signature=''"}, "app.graph.train_signature: must not be empty"},
	{[]string{"app.graph.eval_signature=evaluate"}, "app.graph.eval_signature: evaluate: needs input.validation: the rows that it runs on"},
	{[]string{"app.graph.path=g.meta", "tag_set=serve"}, "tag_set: [serve]: does not apply to a .meta file: it has one graph"},
	{[]string{"tag_set=[]"}, "tag_set: []: must name tags, such as serve"},
	{[]string{"strategy=independent", "protocol=grpc"}, "protocol: grpc: does not apply to a graph app with strategy independent: members have no TensorFlow server"},
	{[]string{"checkpoint.keep=3"}, "checkpoint: needs model_dir"},
	{[]string{"model_dir=m", "checkpoint.every_steps=0"}, "checkpoint.every_steps: 0: must be 1 or more"},
	{[]string{"model_dir=m", "checkpoint.keep=0"}, "checkpoint.keep: 0: must be 1 or more"},
	{[]string{"evaluator=true", "cluster_size=3", "input={train: {path: a}, validation: {path: b}}"}, "evaluator: true: needs model_dir: it evaluates the checkpoints there"},
	{[]string{"evaluator=true", "cluster_size=3", "model_dir=m"}, "evaluator: true: needs input.validation: the rows that it evaluates on"},
	{[]string{"early_stopping.patience=2"}, "early_stopping: needs input.validation: the rows that the metric is computed on"},
	{[]string{"early_stopping.metric=''"}, "early_stopping.metric: must not be empty"},
	{[]string{"early_stopping.mode=maximum"}, "early_stopping.mode: maximum: must be one of min, max"},
	{[]string{"early_stopping.patience=0"}, "early_stopping.patience: 0: must be 1 or more"},
	{[]string{"early_stopping.min_delta=-0.5"}, "early_stopping.min_delta: -0.5: must be 0 or more"},
	{[]string{"early_stopping.min_delta=.inf"}, "early_stopping.min_delta: .inf: must be a finite number"},
	{[]string{"early_stopping.min_delta=few"}, "early_stopping.min_delta: few: must be a finite number"},
	{[]string{"on_non_finite=ignore"}, "on_non_finite: ignore: must be one of fail, skip"},
	{[]string{"on_non_finite=skip", "strategy=parameter_server", "num_ps=1"}, "on_non_finite: skip: does not apply to strategy parameter_server: giving the variables their values back would undo the updates of other workers: use fail, or all_reduce"},
	{[]string{"input_mode=tensorflow", "input="}, "input.path: absent: say which files are read"},
	{[]string{"input_mode=tensorflow", "input.path=viewfs://n/d"}, "input.path: viewfs://n/d: needs input_mode: spark: members read files of parquet, tfrecord, csv, json and arrow that they see as this machine does"},
	{[]string{"input_mode=tensorflow", "input.format=orc"}, "input.format: orc: needs input_mode: spark: members read files of parquet, tfrecord, csv, json and arrow that they see as this machine does"},
	{[]string{"input_mode=tensorflow", "steps=1"}, "steps: 1: must be at least one for each of 2 workers"},
	{[]string{"tensorboard=true", "model_dir=m"}, "tensorboard: does not apply to a graph app: its members have no Python. Event files are in model_dir: run tensorboard --logdir there"},
	{[]string{"export_dir=e", "export_format=any"}, "export_format: does not apply to a graph app: its export is a SavedModel"},
	{[]string{"export_dir=g"}, "export_dir: /jobs/g: overlaps app.graph.path (/jobs/g)"},
	{[]string{"export_dir=old", "app.graph.init_from=old"}, "export_dir: /jobs/old: overlaps app.graph.init_from (/jobs/old)"},
	{[]string{"tensorflow.op_libraries=[mine.so]"}, "tensorflow.op_libraries[0]: mine.so: is taken for a Python package: write ./mine.so for a file"},
	{[]string{"local=true", "read_by=spark"}, "read_by: spark: needs Spark: it does not apply to local: true"},
	{[]string{"local=true", "input.path=viewfs://n/d"}, "read_by: spark: needs Spark: it does not apply to local: true"},
	{[]string{"local=true", "input={train: {path: a}, validation: {table: t}}"}, "input.validation.table: t: needs Spark: it does not apply to local: true"},
}

func TestGraphRules(t *testing.T) {
	for _, c := range graphFaults {
		sets := c.sets
		if strings.HasPrefix(c.want, "steps") {
			sets = append(sets, "strategy=independent")
		}
		t.Run(strings.Join(sets, " "), func(t *testing.T) {
			faults := faultsOf(Train, graphBase, sets...)
			if !slices.ContainsFunc(faults, func(f Fault) bool { return plain(f) == c.want && f.Code == 2 }) {
				t.Errorf("no fault %q in:\n%v", c.want, faults)
			}
		})
	}
}

// What a graph may say, also for a cluster and run on this machine.
func TestGraphAllowed(t *testing.T) {
	for _, sets := range [][]string{
		nil,
		{"protocol=rdma"},
		{"on_non_finite=skip"},
		{"early_stopping={}", "input={train: {path: a}, validation: {path: b}}"},
		{"early_stopping={min_delta: 1e-3, mode: max, metric: accuracy}", "input={train: {path: a}, validation: {path: b}}"},
		{"app.graph.init_from=old", "export_dir=old/export"},
		{"model_dir=g/model"},
		{"local=true", "feeder=pipe", "input={path: d, format: csv, options: {header: 'true'}}"},
		{"local=true", "strategy=parameter_server", "num_ps=1", "chief=true", "cluster_size=4", "protocol=grpc", "resources.ps.memory=8g"},
		{"local=true", "input_mode=tensorflow", "readers=2"},
		{"strategy=independent", "cluster_size=1", "tag_set=[train, gpu]"},
	} {
		if faults := faultsOf(Train, graphBase, sets...); len(faults) > 0 {
			t.Errorf("%v: %v", sets, faults)
		}
	}
}
