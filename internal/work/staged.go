package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"tfos/internal/infer"
	"tfos/internal/store"
)

// Names in Output.Resume, the folder that outlives runs:
//
//	lock             held by the run that works on the output
//	RUN/plan.json    all splits of the output, as that run began with them
//	RUN/parts/       becomes the output: Output.Staging
//	RUN/done/        a record (infer.Record) of each part that is whole
//
// Every run writes into a folder of its own, so that processes of a dead one
// that still write do no harm.
const (
	lockName    = "lock"
	planName    = "plan.json"
	partsName   = "parts"
	recordsName = "done"
)

// runPlan is the content of plan.json.
type runPlan struct {
	Version  int            `json:"version"`
	Run      string         `json:"run"`
	Base     string         `json:"base"` // the run of the published output that it goes on from; "": there was none
	Identity infer.Identity `json:"identity"`
	// InPlace says that the run's parts are in the output's folder, with the run's name in
	// theirs. Carried are those that it took over, wherever they came from: they have no
	// record.
	InPlace bool                `json:"in_place,omitempty"`
	Carried []infer.SplitResult `json:"carried,omitempty"`
	// Pieces are splits or partitions: the identity's kind tells.
	Pieces     json.RawMessage `json:"splits"`
	splits     []infer.Split
	partitions []infer.Partition
}

// readPlan reads a run's plan, and its pieces as what they are.
func readPlan(ctx context.Context, st store.Store, path string) (p runPlan, err error) {
	if err = readJSON(ctx, st, path, &p); err != nil {
		return p, err
	}
	switch p.Identity.Kind {
	case infer.Partitions:
		err = json.Unmarshal(p.Pieces, &p.partitions)
	default:
		err = json.Unmarshal(p.Pieces, &p.splits)
	}
	if err != nil {
		return p, fmt.Errorf("work: read the pieces in %s: %w", planName, err)
	}
	return p, nil
}

// finished are the parts of the run that are whole and have a record. folder is the run's.
func (p *runPlan) finished(ctx context.Context, st store.Store, o Output, folder string, sizes map[string]int64) ([]part, error) {
	switch {
	case p.Identity.Kind == infer.Partitions:
		return finishedPartitions(ctx, st, folder, p.Identity, p.partitions)
	case p.InPlace:
		return p.finishedSplits(ctx, st, folder, partFolder{o.Final, p.Run}, sizes)
	default:
		return p.finishedSplits(ctx, st, folder, partFolder{folder + "/" + partsName, ""}, sizes)
	}
}

// partFolder is where the parts of a run's splits are, and what ends their names.
type partFolder struct{ path, tag string }

// staged reads what earlier runs left: their plans, the newest knowledge first,
// and the parts that they finished. What was made of another model or with other
// settings, or goes on from another output than the one there, is left aside.
func (s *survey) staged(ctx context.Context, st store.Store, o Output) (plans [][]infer.Split, parts []part, err error) {
	sizes, err := sizesIn(ctx, st, o.Resume)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	base := ""
	if s.published != nil {
		base = s.published.Run
	} else if err := addFinal(ctx, st, o, sizes); err != nil {
		return nil, nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(sizes)) {
		folder, ok := strings.CutSuffix(path, "/"+planName)
		if !ok {
			continue
		}
		s.folders = append(s.folders, folder)
		plan, err := readPlan(ctx, st, path)
		if err != nil {
			s.warn("what an earlier run has left is not used: %v", err)
			continue
		}
		found, err := plan.finished(ctx, st, o, folder, sizes)
		if err != nil {
			return nil, nil, err
		}
		other := s.identity.Differences(plan.Identity)
		switch {
		case plan.Run == base: // what is left of the run that has published
		case len(other) > 0 && len(found) > 0:
			s.warn("%d finished parts of run %s are not used, for they were made with something else: %s", len(found), plan.Run, strings.Join(other, ", "))
		case plan.Base != base && len(found) > 0:
			s.warn("%d finished parts of run %s are not used, for %s is not what it went on from", len(found), plan.Run, o.Final)
		case len(other) == 0 && plan.Base == base:
			plans = append(plans, plan.splits)
			parts = append(parts, found...)
		}
	}
	// A later plan has all splits of an earlier one whose file is as it was.
	slices.SortStableFunc(plans, func(a, b []infer.Split) int { return next(b) - next(a) })
	return plans, parts, nil
}

// addFinal adds the sizes of the parts in an output that is not complete.
func addFinal(ctx context.Context, st store.Store, o Output, sizes map[string]int64) error {
	there, err := partsIn(ctx, st, o.Final)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for name, size := range there {
		sizes[o.Final+"/"+name] = size
	}
	return err
}

// recordsAtOnce are read at the same time.
const recordsAtOnce = 32

// finishedSplits are the parts of splits that are whole, and have a record in the run's
// folder or are carried.
func (p *runPlan) finishedSplits(ctx context.Context, st store.Store, folder string, at partFolder, sizes map[string]int64) ([]part, error) {
	var paths []string
	var splits []infer.Split
	for _, split := range p.splits {
		// The name's format is the identity's: other records are not looked for.
		path := folder + "/" + recordsName + "/" + infer.RecordName(infer.PartName(split.ID, at.tag, p.Identity.Format))
		if _, ok := sizes[path]; ok {
			paths, splits = append(paths, path), append(splits, split)
		}
	}
	found := make([]part, len(paths))
	var group errgroup.Group
	group.SetLimit(recordsAtOnce)
	for i, path := range paths {
		group.Go(func() error {
			var record infer.Record
			if err := readJSON(ctx, st, path, &record); err != nil {
				return ctx.Err()
			}
			one := part{Part: record.Split, folder: at.path, record: path}
			if record.Identity.Equal(p.Identity) && sameSplit(record.Split.Split(), splits[i]) && whole(ctx, st, one, sizes) == "" {
				found[i] = one
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, made := range p.Carried {
		one := part{Part: made, folder: at.path, record: folder + "/" + planName}
		if whole(ctx, st, one, sizes) == "" {
			found = append(found, one)
		}
	}
	return slices.DeleteFunc(found, func(p part) bool { return p.Part == nil }), ctx.Err()
}

// sizesIn are the sizes of the data files in a folder, by path.
func sizesIn(ctx context.Context, st store.Store, folder string) (map[string]int64, error) {
	found, err := st.List(ctx, folder)
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(found))
	for _, f := range found {
		sizes[f.Path] = f.Size
	}
	return sizes, nil
}

func readJSON(ctx context.Context, st store.Store, from string, into any) error {
	file, err := st.Open(ctx, from)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("work: read %s: %w", path.Base(from), err)
	}
	return nil
}
