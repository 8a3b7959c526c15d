package work

import (
	"context"
	"errors"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/reserve"
)

// splits is the work of an inference job whose members read the input's files and
// write the predictions: each gets its share of the splits.
type splits struct {
	inference
	request *infer.SplitsRequest // of all members, without splits
	from    base
	missing []infer.Split // those that members compute
}

// ShareOut implements reserve.Work.
func (w *splits) ShareOut(ctx context.Context) (reserve.Shares, reserve.Start) {
	shares, err := w.shareOut(ctx)
	if err != nil {
		return reserve.Shares{}, inputFailure(ctx, err)
	}
	return shares, w.from.start()
}

func (w *splits) shareOut(ctx context.Context) (_ reserve.Shares, err error) {
	o := w.cfg.resumes()
	if o == nil {
		var there bool
		if w.place, there, err = choosePlace(ctx, w.cfg, true); there || err != nil {
			w.from = left{}
			return reserve.Shares{}, err
		}
	}
	data, err := w.openInput(ctx)
	if err != nil {
		return reserve.Shares{}, err
	}
	if o != nil {
		r, err := resume(ctx, w.cfg, *o, w.request.Path(), true, func() (s *survey, err error) {
			s, w.missing, err = lookSplits(ctx, w.cfg, *o, w.request, data)
			return s, err
		})
		if err != nil {
			return reserve.Shares{}, err
		}
		w.from, w.place = resumedSplits{r}, r.place
	} else if w.missing, err = infer.Cut(ctx, data, w.request.CutBytes(data, w.cfg.Infer.Tasks), 0); err != nil {
		return reserve.Shares{}, err
	}
	w.request.Output, w.request.Tag = w.place.folder(), w.place.tag()
	members := w.required()
	parts := assign(w.missing, len(members))
	shares, err := makeShares(members, func(i int) infer.Request {
		share := *w.request
		share.Splits = parts[i]
		return &share
	})
	shares.Splits = int64(len(w.missing))
	for _, split := range w.missing {
		shares.Bytes += split.Length
	}
	return shares, err
}

// openInput lists the input, and completes the request by what it is.
func (w *splits) openInput(ctx context.Context) (*files.Dataset, error) {
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	data, err := w.cfg.Infer.Input.Open(ctx)
	if err == nil {
		w.request.Input, err = data.Recipe()
	}
	if in := w.cfg.Infer.Input; err == nil && w.request.MaxBad != nil && in.Format == files.Parquet {
		w.request.InputRows, _ = files.CountRows(ctx, in.Path)
	}
	return data, err
}

// Command implements reserve.Work.
func (w *splits) Command(context.Context, string, []byte) (reserve.Start, bool) {
	return reserve.Start{}, false
}

// Finish implements reserve.Work.
func (w *splits) Finish(ctx context.Context, v reserve.Verdict, made reserve.Made) (reserve.Verdict, error) {
	result, err := sumResults(w.missing, made.Results)
	if err == nil {
		err = w.from.add(result)
	}
	return w.conclude(ctx, v, w.from, result, func() error { return err })
}

// Clear implements reserve.Work.
func (w *splits) Clear(ctx context.Context) error {
	_, err := w.clear(ctx, w.from)
	return err
}

// Unchanged tells, without changing anything, whether an inference job that
// resumes its output has nothing to do. refused: the job cannot go on from the
// output. Whatever else is wrong is left for the run to say. What Spark reads only
// its driver sees.
func Unchanged(ctx context.Context, cfg Config) (unchanged bool, refused *OutputError) {
	o := cfg.resumes()
	if o == nil {
		return false, nil
	}
	job, _ := open(cfg)
	w, ok := job.(*splits)
	if !ok {
		return false, nil
	}
	data, err := w.openInput(ctx)
	var s *survey
	if err == nil {
		s, _, err = lookSplits(ctx, cfg, *o, w.request, data)
	}
	if errors.As(err, &refused) {
		return false, refused
	}
	// What earlier runs have left is for a run to delete, which locks it.
	return err == nil && !s.changes() && len(s.folders) == 0, nil
}
