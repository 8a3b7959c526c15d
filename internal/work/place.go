package work

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

// place is where the parts of predictions are until the run has succeeded, and how they
// become the output. choosePlace is the one place that tells the kinds apart.
//
//	              staging                            inPlace
//	on            stores that rename; others, over   stores that copy, where no output is
//	              an output
//	parts are in  Output.Staging                     Output.Final
//	names         part-00007.parquet                 part-00007-RUN.parquet
//	until commit  nothing is at Final, or the old    a sign is at Final, which no reader reads
//	              output
//	commit        manifest, _SUCCESS, then Publish   manifest, no other files, no sign, _SUCCESS
//	of 10,000     a rename, or a copy of each part   about 20 requests
//	failure       Staging is deleted                 Final is deleted
//	resume        takes parts over by links          leaves them where they are
type place interface {
	// folder is where parts are written. tag ends their names (infer.SplitsRequest.Tag).
	folder() string
	tag() string
	// stay reports whether finished parts of earlier runs stay where they are.
	stay() bool
	// publish makes the parts the output that the manifest describes. bySpark: the manifest
	// does not name the data files, all of which Spark has committed.
	publish(ctx context.Context, m manifest, bySpark bool) ([]reserve.Artifact, error)
	// end ends a run that has not published. keep: a later run needs the parts.
	end(ctx context.Context, keep bool) error
}

// choosePlace finishes what a dead run was publishing onto an output, and decides where this
// run writes. there: the output is complete, and the job says that it is left as it is.
func choosePlace(ctx context.Context, cfg Config, canStay bool) (p place, there bool, err error) {
	if len(cfg.Outputs) == 0 {
		return staging{}, false, nil
	}
	o := cfg.Outputs[0]
	s, err := store.For(o.Final)
	if err != nil {
		return nil, false, err
	}
	if canStay && !store.Renames(s) {
		switch f, err := store.WriteInPlace(ctx, s, o.Final, o.Format, cfg.Run, cfg.Lease()); {
		case err == nil:
			if o.Resume == "" { // nobody needs what a dead run has left
				_, err = f.Keep(ctx, func(string) bool { return false })
			}
			return &inPlace{o, s, f, cfg.Run}, false, unprepared(ctx, o, err)
		case !errors.Is(err, fs.ErrExist):
			return nil, false, o.recoverError(err)
		}
	}
	there, err = o.recover(ctx, s)
	return staging{[]Output{o}}, there, err
}

// staging is a folder that is published. Without an output nothing is.
type staging struct{ outputs []Output }

func (p staging) folder() string {
	if len(p.outputs) == 0 {
		return ""
	}
	return p.outputs[0].Staging
}

func (staging) tag() string                     { return "" }
func (staging) stay() bool                      { return false }
func (staging) end(context.Context, bool) error { return nil } // ClearStaging, or the base

func (p staging) publish(ctx context.Context, m manifest, _ bool) ([]reserve.Artifact, error) {
	return commit(ctx, p.outputs, func(ctx context.Context, s store.Store, o Output) error {
		if err := takeIn(ctx, s, o, m.BadPartitions); err != nil {
			return outputError(o, err)
		}
		there, err := partsIn(ctx, s, o.Staging)
		if err == nil {
			err = m.checkNames(there)
		}
		if err != nil {
			return outputError(o, err)
		}
		return m.write(ctx, s, o.Staging)
	})
}

// partsIn are the sizes of the files of parts in a folder, with the quarantine, by their
// paths below it.
func partsIn(ctx context.Context, s store.Store, folder string) (map[string]int64, error) {
	all := map[string]int64{}
	for _, from := range []string{folder, folder + "/" + infer.QuarantineFolder} {
		found, err := s.List(ctx, store.Literal(from))
		if err != nil && (from == folder || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
		for _, f := range found {
			all[strings.TrimPrefix(f.Path, folder+"/")] = f.Size
		}
	}
	return all, nil
}

// inPlace is the output's own folder, with a sign in it.
type inPlace struct {
	output Output
	store  store.Store
	files  store.InPlace
	run    string
}

func (p *inPlace) folder() string { return p.output.Final }
func (p *inPlace) tag() string    { return p.run }
func (p *inPlace) stay() bool     { return true }

func (p *inPlace) publish(ctx context.Context, m manifest, bySpark bool) ([]reserve.Artifact, error) {
	listed := map[string]bool{}
	for _, name := range m.files() {
		listed[name] = true
	}
	there, err := p.files.Keep(ctx, func(name string) bool { return listed[name] || bySpark && !hidden(name) })
	if err == nil {
		err = errors.Join(m.checkNames(there), m.checkSizes(there))
	}
	if err == nil {
		err = m.write(ctx, p.store, p.output.Final)
	}
	if err != nil {
		return nil, outputError(p.output, err)
	}
	if err := p.files.Complete(ctx); err != nil {
		return nil, outputError(p.output, err)
	}
	return []reserve.Artifact{{Kind: p.output.Kind, Path: p.output.Final}}, nil
}

// hidden reports whether a name, or a folder in it, is one that readers pass over.
func hidden(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool {
		return strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_") && !strings.Contains(part, "=")
	})
}

func (p *inPlace) end(ctx context.Context, keep bool) error {
	if keep {
		return p.files.Leave(ctx)
	}
	return p.files.Drop(ctx)
}
