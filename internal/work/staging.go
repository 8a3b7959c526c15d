package work

import (
	"context"
	"errors"

	"tfos/internal/store"
)

// ClearStaging deletes what a run has staged and not published. It returns what
// stays: the files and folders that programs have written as an export, sorted by
// output. They may be half-written, unless the programs have ended well. Exports
// of a measurement, and those that tfos itself makes, are deleted. Parts that a later run
// goes on from are not touched (resumption.close), nor is an output whose publication has
// begun. What cannot be looked at stays.
func ClearStaging(ctx context.Context, cfg Config) (kept []string, err error) {
	var errs []error
	for _, o := range cfg.Outputs {
		if o.Resume != "" {
			continue
		}
		// What is being published is in staging alone. The next run finishes it.
		if begun, err := interrupted(ctx, o.Final); begun || err != nil {
			errs = append(errs, err)
			continue
		}
		if o.Hold != "" {
			whole, err := clearHeld(ctx, cfg, o)
			kept, errs = append(kept, whole...), append(errs, err)
			continue
		}
		if o.exported() {
			written, err := clearExport(ctx, o, cfg.keepsNothing())
			kept, errs = append(kept, written...), append(errs, err)
			continue
		}
		for _, folder := range o.Temporary() {
			errs = append(errs, remove(ctx, folder))
		}
	}
	return kept, errors.Join(errs...)
}

// interrupted reports whether a publication onto a path has begun and has not ended.
func interrupted(ctx context.Context, final string) (bool, error) {
	s, err := store.For(final)
	if err != nil {
		return false, err
	}
	return store.Interrupted(ctx, s, final)
}

// keepsNothing tells whether exports of a run that is no success are of no use.
func (c Config) keepsNothing() bool { return c.MeasureMS > 0 || c.Export != nil }

// clearHeld deletes what the run has staged of an output that it holds. Exports that are
// whole stay.
func clearHeld(ctx context.Context, cfg Config, o Output) (kept []string, err error) {
	s, err := store.For(o.Staging)
	if err != nil {
		return nil, err
	}
	return clearStaged(ctx, s, store.Dir(o.Staging), o.exported() && !cfg.keepsNothing())
}

func remove(ctx context.Context, path string) error {
	s, err := store.For(path)
	if err != nil {
		return err
	}
	return s.Remove(ctx, path)
}

// clearExport deletes the empty pieces of an export, or all of them, and returns
// the others.
func clearExport(ctx context.Context, o Output, all bool) (kept []string, err error) {
	s, err := store.For(o.Staging)
	if err != nil {
		return nil, err
	}
	pieces, err := exports(ctx, s, o)
	errs := []error{err}
	for _, p := range pieces {
		if begun, err := store.Interrupted(ctx, s, p.Final); begun || err != nil {
			errs = append(errs, err)
			continue
		}
		holds, err := holdsFile(ctx, s, p.Staging)
		if !all && (holds || err != nil) {
			kept, errs = append(kept, p.Staging), append(errs, err)
			continue
		}
		errs = append(errs, s.Remove(ctx, p.Staging))
	}
	return kept, errors.Join(errs...)
}

// holdsFile says whether there is a file at path or anywhere below it, hidden
// ones included.
func holdsFile(ctx context.Context, s store.Store, path string) (bool, error) {
	info, err := s.Stat(ctx, path)
	if err != nil || !info.Dir {
		return err == nil, err
	}
	children, err := s.Match(ctx, store.Literal(path)+"/{*,.*,_*}")
	for _, child := range children {
		if holds, err := holdsFile(ctx, s, child.Path); holds || err != nil {
			return holds, err
		}
	}
	return false, err
}
