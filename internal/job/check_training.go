package job

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/exit"
	"tfos/internal/infer"
	"tfos/internal/model"
	"tfos/internal/reserve"
	"tfos/internal/train"
)

// graphThere looks whether the graph is there, and what its values begin with.
func (r *rules) graphThere() {
	g := r.s.App.Graph
	if _, keras := model.KerasFile(g.Path); keras {
		r.broken("app.graph.path", g.Path, "is a Keras file, which holds no training step for TensorFlow: export one in Python with tfos.graph.export_training(model, optimizer, loss, path), and name its folder here (docs/graph-programs.md)")
	} else if !strings.HasSuffix(g.Path, metaFile) {
		if _, err := (model.TrainingSource{Graph: g.Path, TagSet: r.s.TagSet}).Resolve(); err != nil {
			r.noGraph(err)
		}
	} else {
		r.isFile("app.graph.path", g.Path)
	}
	if g.InitFrom != "" {
		r.initialValues(g.InitFrom)
	}
}

// initialValues looks whether there are values for variables at a path.
func (r *rules) initialValues(path string) {
	if model.IsCheckpoint(path) {
		return
	}
	if _, ok := r.stat("app.graph.init_from", path); !ok {
		return
	}
	if _, _, err := (model.Source{Model: path}).Resolve(); err != nil {
		r.broken("app.graph.init_from", path, "has neither a checkpoint nor a SavedModel: give one of them, or a folder of checkpoints")
	}
}

// trainingContract holds a graph against the job, a checkpoint that the job goes on
// from, and the input's columns.
func (r *rules) trainingContract(ctx context.Context, warn func(text string)) []model.Line {
	s := r.s.onMachine(1)
	training, err := s.trainRequest(nil).Source().Open()
	if err != nil {
		r.noGraph(err)
		return nil
	}
	r.metricThere(training)
	r.resumable(training)
	r.valuesFit(training)
	r.exportAfter(training)

	var lines []model.Line
	for _, src := range s.sources() {
		signature := training.Train
		if src.purpose == reserve.Validation {
			signature = training.Eval
		}
		if s.sparkFed() && s.readBy(src.Source) == bySpark {
			continue // the members see what Spark reads
		}
		lines = append(lines, r.columnsFit(ctx, src, signature, training.Mapping(signature), warn)...)
	}
	return lines
}

// columnsFit holds a source's columns against a signature, and returns how they go
// together. The lines' role is the purpose of the source.
func (r *rules) columnsFit(ctx context.Context, src namedSource, signature *model.Signature, mapping model.Mapping, warn func(text string)) []model.Line {
	input := r.s.inputOf(src.Source)
	input.Warn = warn
	data, err := input.Open(ctx)
	if err != nil {
		r.sourceFault(src, infer.InputExitCode(err), err.Error())
		return nil
	}
	schema := readColumns(data.Schema(), r.s.InputMapping)
	lines := model.Contract(signature, schema, mapping)
	for i := range lines {
		lines[i].Role = string(src.purpose)
	}
	bind, err := model.Check(signature, schema, mapping)
	missing := slices.IndexFunc(r.s.InputMapping, func(kv [2]string) bool { return !schema.HasField(kv[0]) })
	switch {
	case err != nil:
		r.sourceFault(src, exit.BadData, err.Error()+"\n"+model.Table(lines))
	case missing >= 0: // the signature does not need it, but it is read
		r.sourceFault(src, exit.BadData, "there is no column "+r.s.InputMapping[missing][0]+", which input_mapping names")
	case bind.Batch > 0 && bind.Batch != int64(r.s.BatchSize):
		r.broken("batch_size", r.s.BatchSize, "must be %d: signature %s takes so many rows at a time", bind.Batch, signature.Name)
	}
	return lines
}

// readColumns are the columns of data that members get: those of the mapping, if there
// is one.
func readColumns(data *arrow.Schema, mapping Mapping) *arrow.Schema {
	if len(mapping) == 0 {
		return data
	}
	var fields []arrow.Field
	for _, name := range mapping.Keys() {
		found, _ := data.FieldsByName(name)
		fields = append(fields, found...)
	}
	return arrow.NewSchema(fields, nil)
}

// exportAfter tells before a training whether there can be an export after it.
func (r *rules) exportAfter(training *model.Training) {
	if r.s.ExportDir == "" {
		return
	}
	var known *model.ModelError
	if err := training.Exportable(); errors.As(err, &known) {
		r.broken("export_dir", r.s.ExportDir, "%s: %s", training.Path, known.Reason())
	}
}

// metricThere checks that the eval signature has the metric of early stopping.
func (r *rules) metricThere(training *model.Training) {
	e := r.s.EarlyStopping
	if e == nil || slices.ContainsFunc(training.EvalMetrics, func(t model.Tensor) bool { return t.Alias == e.Metric }) {
		return
	}
	var names []string
	for _, t := range training.EvalMetrics {
		names = append(names, t.Alias)
	}
	r.broken("early_stopping.metric", e.Metric, "signature %s has no such metric (metrics there: %s)", r.s.App.Graph.EvalSignature, strings.Join(names, ", "))
}

// resumable checks that the newest checkpoint in model_dir, from which the training goes
// on, fits the graph.
func (r *rules) resumable(training *model.Training) {
	if r.s.ModelDir == "" {
		return
	}
	at, found, err := r.s.newestCheckpoint()
	if err == nil && found {
		err = fitsTraining(training, at.Prefix)
	}
	if err == nil {
		return
	}
	var known *model.ModelError
	if !errors.As(err, &known) {
		r.broken("model_dir", r.s.ModelDir, "%v", err)
		return
	}
	r.broken("model_dir", at.Prefix, "%s: choose another model_dir; with app.graph.init_from a training begins with those values of this checkpoint that fit", known.Problem)
}

// newestCheckpoint is what was found in a model_dir.
type newestCheckpoint struct {
	dir   string // "": nobody has looked
	at    train.Start
	found bool
	err   error
}

// newestCheckpoint returns the newest complete checkpoint in model_dir. It looks once: a run
// looks again when it has model_dir for itself.
func (s *Spec) newestCheckpoint() (at train.Start, found bool, err error) {
	if n := &s.newest; n.dir != s.ModelDir {
		n.dir = s.ModelDir
		n.at, n.found, _, n.err = train.Newest(n.dir)
	}
	return s.newest.at, s.newest.found, s.newest.err
}

// fitsTraining checks that a checkpoint, in any store, fits a graph.
func fitsTraining(training *model.Training, prefix string) error {
	local, remove, err := train.Outline(context.Background(), prefix)
	if err != nil {
		return err
	}
	defer remove()
	return training.CheckCheckpoint(local)
}

// valuesFit checks that app.graph.init_from has values that fit the graph.
func (r *rules) valuesFit(training *model.Training) {
	path := r.s.App.Graph.InitFrom
	if path == "" {
		return
	}
	var known *model.ModelError
	switch _, err := training.ValuesOf(path); {
	case err == nil:
	case errors.As(err, &known):
		r.broken("app.graph.init_from", path, "%s", known.Reason())
	default:
		r.broken("app.graph.init_from", path, "%v", err)
	}
}

// noGraph is a fault of the graph, or of a part of it that the job names.
func (r *rules) noGraph(err error) {
	at, path := "app.graph.path", r.s.App.Graph.Path
	var known *model.ModelError
	if !errors.As(err, &known) {
		r.broken(at, path, "%v", err)
		return
	}
	r.broken(at, path, "%s", known.Reason())
}

// sourceFault is a fault of a source's files.
func (r *rules) sourceFault(src namedSource, code exit.Code, rule string) {
	r.broken(join(src.path, "path"), src.Path, "%s", rule)
	r.faults[len(r.faults)-1].Code = code
}
