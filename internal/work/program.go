package work

import (
	"context"
	"io/fs"

	"tfos/internal/reserve"
	"tfos/internal/store"
)

// program is the work of members that run the user's program: they know what to do,
// and write exports and results.
type program struct{ cfg Config }

// ShareOut implements reserve.Work.
func (w program) ShareOut(context.Context) (reserve.Shares, reserve.Start) {
	return reserve.Shares{}, reserve.Start{}
}

// Command implements reserve.Work.
func (w program) Command(context.Context, string, []byte) (reserve.Start, bool) {
	return reserve.Start{}, false
}

// Finish implements reserve.Work.
func (w program) Finish(ctx context.Context, v reserve.Verdict, _ reserve.Made) (reserve.Verdict, error) {
	var err error
	if w.cfg.publishes(v) {
		if v.Artifacts, err = w.publish(ctx); err == nil {
			return v, nil
		}
		refuse(&v, err)
	}
	v.Kept, err = ClearStaging(ctx, w.cfg)
	return v, err
}

func (w program) publish(ctx context.Context) ([]reserve.Artifact, error) {
	return commit(ctx, w.cfg.Outputs, hasFiles)
}

// hasFiles completes results: there must be some.
func hasFiles(ctx context.Context, s store.Store, o Output) error {
	files, err := s.List(ctx, store.Literal(o.Staging))
	if err == nil && len(files) == 0 {
		err = fs.ErrNotExist
	}
	return outputError(o, err)
}

// Clear implements reserve.Work.
func (w program) Clear(ctx context.Context) error {
	_, err := ClearStaging(ctx, w.cfg)
	return err
}
