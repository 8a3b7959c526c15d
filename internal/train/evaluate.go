package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"tfos/internal/exit"
)

// Evaluate runs the eval signature over all rows of a pass. It returns the means of
// its values, in which each batch counts as many times as it has rows. batch is the
// number of rows of a whole one.
func Evaluate(ctx context.Context, graph Graph, pass Batches, batch int) ([]float64, error) {
	sums := make([]float64, len(graph.EvalMetrics()))
	var rows float64
	for {
		batch, err := pass.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		n := float64(batch.Rows.NumRows())
		values, err := graph.Evaluate(ctx, batch.Rows)
		batch.Rows.Release()
		if err != nil {
			return nil, fmt.Errorf("train: validation rows: %w", err)
		}
		for i, v := range values {
			sums[i] += v * n
		}
		rows += n
	}
	if left := pass.LeftOut(); rows == 0 && left > 0 {
		return nil, tooFewRows("validation input", left, batch)
	}
	if rows == 0 {
		return nil, &Error{exit.BadData, errors.New("train: there are no validation rows")}
	}
	for i := range sums {
		sums[i] /= rows
	}
	return sums, nil
}

// stopping is early stopping: its state between evaluations.
type stopping struct {
	EarlyStopping
	best float64
	any  bool
	bad  int // evaluations since the best one
}

// observe records an evaluation. stop: there were Patience evaluations without an
// improvement.
func (s *stopping) observe(metrics map[string]float64) (stop bool, err error) {
	value, known := metrics[s.Metric]
	if !known {
		return false, &Error{exit.Usage, fmt.Errorf("early_stopping.metric: the eval signature has no %s, but %s", s.Metric, strings.Join(slices.Sorted(maps.Keys(metrics)), ", "))}
	}
	better := value < s.best-s.MinDelta
	if s.Mode == "max" {
		better = value > s.best+s.MinDelta
	}
	if better || !s.any && finite(value) {
		s.best, s.any, s.bad = value, true, 0
		return false, nil
	}
	s.bad++
	return s.bad >= s.Patience, nil
}
