package work

import (
	"context"
	"encoding/json"
	"errors"

	"tfos/internal/reserve"
)

// exporting is the work of a run whose only member makes a SavedModel. The result of
// the member becomes the verdict's export.
type exporting struct{ cfg Config }

// ShareOut implements reserve.Work.
func (w exporting) ShareOut(context.Context) (reserve.Shares, reserve.Start) {
	shares := reserve.Shares{Members: map[reserve.Place][]byte{}}
	for _, m := range w.cfg.Members {
		shares.Members[reserve.Place{Job: m.Job, Index: m.Index}] = w.cfg.Export
	}
	return shares, reserve.Start{}
}

// Command implements reserve.Work.
func (w exporting) Command(context.Context, string, []byte) (reserve.Start, bool) {
	return reserve.Start{}, false
}

// Finish implements reserve.Work.
func (w exporting) Finish(ctx context.Context, v reserve.Verdict, made reserve.Made) (reserve.Verdict, error) {
	if w.cfg.publishes(v) {
		err := w.checkResult(&v, made.Results)
		if err == nil {
			v.Artifacts, err = commit(ctx, w.cfg.Outputs, hasFiles)
		}
		if err == nil {
			return v, nil
		}
		refuse(&v, err)
	}
	var err error
	v.Kept, err = ClearStaging(ctx, w.cfg)
	return v, err
}

// checkResult puts the member's result into the verdict.
func (w exporting) checkResult(v *reserve.Verdict, results [][]byte) error {
	if len(results) != 1 || !json.Valid(results[0]) {
		return errors.New("export: the member has not said what it exported")
	}
	v.Export = results[0]
	return nil
}

// Clear implements reserve.Work.
func (w exporting) Clear(ctx context.Context) error {
	_, err := ClearStaging(ctx, w.cfg)
	return err
}
