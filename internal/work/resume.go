package work

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"tfos/internal/infer"
	"tfos/internal/store"

	"tfos/internal/record"
	"tfos/internal/reserve"
)

// ResumeStaging is where a run writes the parts of an output whose
// Output.Resume is root.
func ResumeStaging(root, run string) string { return root + "/" + run + "/" + partsName }

// resumption is an output that goes on from what earlier runs have left. It
// holds the output's lock until close.
type resumption struct {
	*survey
	model  string // its path
	output Output
	store  store.Store
	lock   store.Lock
	place  place // nil: it is not chosen yet
	// changed: what is published is not the output that is wanted.
	changed bool
}

// folder is the run's own, for records, and for parts that do not stay in the output.
func (r *resumption) folder() string { return store.Dir(r.output.Staging) }

func (r *resumption) records() string { return r.folder() + "/" + recordsName }

// resume locks an output, has it surveyed, and takes the finished parts over. canStay: parts
// may be written in place.
func resume(ctx context.Context, cfg Config, o Output, model string, canStay bool, look func() (*survey, error)) (_ *resumption, err error) {
	st, err := store.For(o.Resume)
	if err != nil {
		return nil, err
	}
	r := &resumption{model: model, output: o, store: st}
	if r.lock, err = lock(ctx, st, o, cfg.patience(o.Final)); err != nil {
		return nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		lasting := context.WithoutCancel(ctx)
		if r.place != nil {
			err = errors.Join(err, r.place.end(lasting, r.useful(lasting)))
		}
		err = errors.Join(err, r.close(lasting, false))
	}()
	if r.place, _, err = choosePlace(ctx, cfg, canStay); err != nil {
		return r, unprepared(ctx, o, err)
	}
	if r.survey, err = look(); err != nil {
		return r, err
	}
	if r.changed = r.changes(); !r.changed {
		return r, err
	}
	return r, unprepared(ctx, o, r.takeOver(ctx, cfg))
}

// unprepared is the error of a store that does not do what an output needs; nil
// for nil.
func unprepared(ctx context.Context, o Output, err error) error {
	if err == nil || ctx.Err() != nil || errors.As(err, new(*OutputError)) {
		return err
	}
	return &OutputError{o, fmt.Sprintf("cannot be gone on from: %v: correct that, or choose another output", err)}
}

// lock takes the output's lock. It waits as long as a killed run may take to let
// go of it.
func lock(ctx context.Context, st store.Store, o Output, patience time.Duration) (store.Lock, error) {
	held, err := store.AwaitLock(ctx, st, store.Join(o.Resume, lockName), patience)
	if errors.Is(err, store.ErrLocked) {
		return nil, &OutputError{o, "is being written by another run: wait until it has ended, or choose another output"}
	}
	return held, unprepared(ctx, o, err)
}

// takeOver makes the run's folder, with every part that is carried over and does not stay
// where it is, and then deletes those of earlier runs.
func (r *resumption) takeOver(ctx context.Context, cfg Config) error {
	if _, err := r.store.Stat(ctx, r.folder()); err == nil {
		return &OutputError{r.output, fmt.Sprintf("cannot be resumed by a run of this name, which has left %s: start it with another --run-id", r.folder())}
	}
	for _, dir := range []string{r.place.folder(), r.records()} {
		if err := r.store.Mkdir(ctx, dir); err != nil {
			return err
		}
	}
	plan := runPlan{Version: 1, Run: cfg.Run, Identity: r.identity, InPlace: r.place.stay()}
	if plan.InPlace {
		for _, p := range r.carried {
			plan.Carried = append(plan.Carried, p.Part.(infer.SplitResult))
		}
	}
	if r.published != nil {
		plan.Base = r.published.Run
	}
	var err error
	var text []byte
	if plan.Pieces, err = json.Marshal(r.pieces); err == nil {
		text, err = json.Marshal(plan)
	}
	if err == nil {
		err = store.WriteFile(ctx, r.store, r.folder()+"/"+planName, text)
	}
	if err != nil {
		return fmt.Errorf("work: write the splits' plan: %w", err)
	}
	if err := r.linkAll(ctx); err != nil {
		return err
	}
	for _, folder := range r.folders {
		if err := r.store.Remove(ctx, folder); err != nil {
			return err
		}
	}
	return nil
}

// linkAll puts the parts that are carried over where the run's own will be, with a record
// of those that neither the plan nor the published manifest lists.
func (r *resumption) linkAll(ctx context.Context) error {
	for _, p := range r.carried {
		if err := r.link(ctx, p); err != nil {
			return err
		}
		if p.record == "" || r.place.stay() {
			continue
		}
		if err := r.takeRecord(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// takeRecord notes a part that is taken over as the run's own.
func (r *resumption) takeRecord(ctx context.Context, p part) error {
	switch made := p.Part.(type) {
	case infer.PartitionResult: // it may have got another number
		return r.writeRecord(ctx, made)
	default:
		return r.store.Link(ctx, p.record, r.records()+"/"+path.Base(p.record))
	}
}

// link puts a part's files where the run's own are, if they are not there.
func (r *resumption) link(ctx context.Context, p part) error {
	to := r.place.folder()
	for _, name := range infer.PartFiles(p.Part) {
		if p.path(name) == to+"/"+name {
			continue
		}
		if err := linkInto(ctx, r.store, p.path(name), to+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

// started is base.start. done are the numbers of the partitions that Spark need not
// predict; nil: executors read.
func (r *resumption) started(done []int) (s reserve.Start) {
	for _, text := range r.warnings {
		s.Events = append(s.Events, reserve.Warning{Message: text})
	}
	if !r.changed {
		s.End = reserve.Settle{Phase: PhaseSkipped}
		return s
	}
	if r.missing == 0 {
		s.End = reserve.Settle{}
	}
	count := r.count()
	if count.Splits > 0 || done != nil {
		s.Events = append(s.Events, reserve.Resumed{Resumed: record.Resumed{Splits: count.Splits, Rows: count.Rows, Missing: r.missing}, Done: done})
	}
	return s
}

func (r *resumption) count() Carried {
	c := Carried{Splits: len(r.carried)}
	for _, p := range r.carried {
		c.Add(p.Info().Account)
	}
	return c
}

func (r *resumption) add(result *total) error {
	carried := r.count()
	result.Carried = &carried
	if len(result.Parts) == 0 && len(result.Served) == 0 {
		result.Model, result.Digest, result.Made = r.model, r.identity.Digest, r.identity
		return nil
	}
	if len(r.carried) > 0 && !result.Made.Equal(r.identity) {
		return fmt.Errorf("members did not make what the parts of earlier runs are (%s): it has changed meanwhile: start the job again",
			strings.Join(result.Made.Differences(r.identity), ", "))
	}
	return nil
}

// countPublished is how many of the parts that are carried over are published.
func (r *resumption) countPublished() int {
	n := 0
	for _, p := range r.carried {
		if p.record == "" {
			n++
		}
	}
	return n
}

func (r *resumption) onto(ctx context.Context, p place) (place, error) {
	if r.published == nil {
		return p, nil
	}
	o, now := r.output, manifest{}
	if err := readJSON(ctx, r.store, o.Final+"/"+manifestName, &now); err != nil || now.Run != r.published.Run {
		return p, fmt.Errorf("%s: %s is not what it was at this run's beginning; nothing was changed: start the job again", o.Kind, o.Final)
	}
	o.Replace = true
	return staging{[]Output{o}}, nil
}

func (r *resumption) parts(result *total) []infer.Part {
	return sortedParts(result, r.carried)
}

// sortedParts are the parts of a result and those that are carried over, in the
// order of their numbers.
func sortedParts(result *total, carried []part) []infer.Part {
	all := append([]infer.Part{}, result.Parts...)
	for _, p := range carried {
		all = append(all, p.Part)
	}
	slices.SortFunc(all, func(a, b infer.Part) int { return cmp.Compare(a.Info().ID, b.Info().ID) })
	return all
}

func (r *resumption) close(ctx context.Context, done bool) error {
	var err error
	if done || !r.useful(ctx) {
		err = r.clear(ctx)
	}
	return errors.Join(err, r.lock.Close())
}

// useful tells whether any run has left a record, or parts that stay.
func (r *resumption) useful(ctx context.Context) bool {
	if r.staying() > 0 {
		return true
	}
	left, err := r.store.List(ctx, r.output.Resume)
	return err != nil || slices.ContainsFunc(left, func(f store.Info) bool { return path.Base(store.Dir(f.Path)) == recordsName })
}

// staying is how many of the parts that are carried over stay where they are: the run's plan
// lists them, and they have no record of their own.
func (r *resumption) staying() int {
	if r.survey == nil || r.place == nil || !r.place.stay() {
		return 0
	}
	return len(r.carried)
}

// clear removes Output.Resume. It goes under another name first: once the
// lock's file is gone, the next run may begin to fill a folder of that name.
func (r *resumption) clear(ctx context.Context) error {
	folders := []string{r.folder()}
	if r.survey != nil {
		folders = append(folders, r.folders...)
	}
	for _, folder := range folders {
		if err := r.store.Remove(ctx, folder); err != nil {
			return err
		}
	}
	aside := r.output.Resume + "-" + path.Base(r.folder())
	if err := r.store.Publish(ctx, r.output.Resume, aside, false); err != nil {
		return err
	}
	return r.store.Remove(ctx, aside)
}

func (r *resumption) complete() bool { return r.missing == 0 }

func (r *resumption) unchanged() bool { return !r.changed }

// resumedSplits is the base of an output that executors write.
type resumedSplits struct{ *resumption }

func (r resumedSplits) start() reserve.Start { return r.started(nil) }

func (r resumedSplits) kept(ctx context.Context) int {
	kept := r.countPublished() + r.staying()
	if left, err := r.store.List(ctx, r.records()); err == nil {
		kept += len(left)
	}
	return kept
}
