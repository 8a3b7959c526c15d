package engine

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/model"
)

// run is a run that repeats, with what it needs found once.
type run struct {
	training  *Training
	model     *model.Training
	signature *model.Signature
	metrics   []model.Tensor
	counts    bool // the last fetch is the count of updates
	fetches   []endpoint
	targets   []*operation
	constants []feed

	schema  *arrow.Schema // of the rows for which bind and the rest hold
	bind    *model.Binding
	columns []int      // by input
	places  []endpoint // of the inputs' tensors, in their order
	feeds   []feed     // reused
}

func (g *Training) newRun(program model.TrainingRun, t *model.Training, sig *model.Signature) (*run, error) {
	r := &run{training: g, model: t, signature: sig, metrics: program.Fetches, counts: program.GlobalStep != ""}
	names := []string{}
	for _, t := range program.Fetches {
		names = append(names, t.Name)
	}
	if r.counts {
		names = append(names, program.GlobalStep)
	}
	for _, name := range names {
		at, err := g.find(name)
		if err != nil {
			return nil, err
		}
		r.fetches = append(r.fetches, at)
	}
	var err error
	if r.targets, err = g.session.operations(program.Targets); err != nil {
		return nil, cannotLoad(g.path, err)
	}
	return r, nil
}

func (r *run) names() []string {
	names := make([]string, len(r.metrics))
	for i, t := range r.metrics {
		names[i] = t.Alias
	}
	return names
}

// bindTo finds the columns of a schema that feed the signature.
func (r *run) bindTo(schema *arrow.Schema) error {
	bind, err := model.Check(r.signature, schema, r.model.Mapping(r.signature))
	if err != nil {
		return err
	}
	r.columns, r.places = nil, nil
	for _, in := range bind.Inputs {
		r.columns = append(r.columns, schema.FieldIndices(in.Column)[0]) // Check has found exactly one
		for _, part := range in.Components() {
			at, err := r.training.find(part.Name)
			if err != nil {
				return err
			}
			r.places = append(r.places, at)
		}
	}
	r.schema, r.bind = schema, bind
	return nil
}

// feedsOf makes the tensors of rows, after the constants. The slice is valid until the
// next call. The caller frees the tensors that are no constants.
func (r *run) feedsOf(rows arrow.Record) ([]feed, error) {
	if schema := rows.Schema(); r.schema != schema {
		if r.schema == nil || !r.schema.Equal(schema) {
			if err := r.bindTo(schema); err != nil {
				return nil, err
			}
		}
		r.schema = schema
	}
	if n := r.bind.Batch; n > 0 && rows.NumRows() != n {
		return nil, &model.MismatchError{Signature: r.signature.Name, Problems: []string{fmt.Sprintf(
			"the graph takes %d rows at a time, and a step has %d: set batch_size: %d, or export it with a batch dimension of None", n, rows.NumRows(), n)}}
	}
	r.feeds = append(r.feeds[:0], r.constants...)
	for i, in := range r.bind.Inputs {
		tensors, err := toTensors(rows.Column(r.columns[i]), in)
		if err != nil {
			freeFeeds(r.feeds[len(r.constants):])
			return nil, r.everyRowError(rows, err)
		}
		for _, t := range tensors {
			r.feeds = append(r.feeds, feed{r.places[len(r.feeds)-len(r.constants)], t})
		}
	}
	return r.feeds, nil
}

// everyRowError returns the errors of all rows that do not fit, if err is that of the
// first. Rows of several shapes cannot be one batch: then it is err itself.
func (r *run) everyRowError(rows arrow.Record, err error) error {
	var first *model.RowError
	if !errors.As(err, &first) {
		return err
	}
	if _, all := groupRows(r.bind, rows); all != nil {
		return all
	}
	return model.RowErrors{first}
}

// results reads the metrics and the count of updates. Without one it is -1.
func (r *run) results(found []*tensor) ([]float64, int64, error) {
	count := int64(-1)
	if r.counts {
		count = int64(binary.LittleEndian.Uint64(found[len(r.metrics)].bytes()))
	}
	values := make([]float64, len(r.metrics))
	for i, t := range r.metrics {
		var err error
		if values[i], err = scalar(found[i], t.Alias); err != nil {
			return nil, count, err
		}
	}
	return values, count, nil
}
