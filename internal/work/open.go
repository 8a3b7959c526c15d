package work

import (
	"encoding/json"
	"errors"
	"fmt"

	"tfos/internal/exit"
	"tfos/internal/infer"
	"tfos/internal/reserve"
)

// Phases of verdicts.
const (
	// PhaseCommit is that of a run whose members have succeeded and whose outputs
	// get their names.
	PhaseCommit = "commit"
	// PhaseSkipped is that of a run that had nothing to do.
	PhaseSkipped = "skipped"
)

// Open reads a run's configuration, a Config as JSON.
func Open(config []byte) (reserve.Work, error) {
	var cfg Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		return nil, fmt.Errorf("work: read the configuration: %w", err)
	}
	w, err := open(cfg)
	if err != nil {
		return nil, err
	}
	return claiming(cfg, w), nil
}

// open is the one place that tells the kinds of work apart.
func open(cfg Config) (reserve.Work, error) {
	switch {
	case cfg.Export != nil:
		return exporting{cfg}, nil
	case cfg.Train != nil:
		return openTraining(cfg)
	case cfg.Infer == nil:
		return program{cfg}, nil
	}
	request, err := infer.ParseRequest(cfg.Infer.Request)
	switch request := request.(type) {
	case *infer.SplitsRequest:
		return &splits{inference: newInference(cfg, &request.Computation), request: request, from: anew{}}, nil
	case *infer.PartitionsRequest:
		w := &sparkRows{inference: newInference(cfg, &request.Computation), request: request, from: anew{}}
		w.bySpark = cfg.resumes() == nil // else the manifest names what Spark has written
		return w, nil
	}
	return nil, err
}

// publishes tells whether a run that ends so publishes its outputs.
func (c Config) publishes(v reserve.Verdict) bool { return v.Code == exit.Done && c.MeasureMS == 0 }

// refusal is why a run has not succeeded though its members have: an error with an
// exit code and a phase of its own. Other errors mean that an output cannot be
// published.
type refusal struct {
	code  exit.Code
	phase string
	error
}

func (r *refusal) Unwrap() error { return r.error }

// unaccountedFor is the refusal of a run whose rows do not add up.
func unaccountedFor(err error) error {
	return &refusal{exit.Internal, "accounting", err}
}

// refuse makes a verdict that of a run that has not succeeded because of err.
func refuse(v *reserve.Verdict, err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{exit.Output, PhaseCommit, err}
	}
	v.Code, v.Phase, v.Cause = r.code, r.phase, err.Error()
}
