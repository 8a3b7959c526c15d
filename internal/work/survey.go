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

	"tfos/internal/exit"
	"tfos/internal/files"
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

// splitPlan is the content of plan.json.
type splitPlan struct {
	Version  int            `json:"version"`
	Run      string         `json:"run"`
	Base     string         `json:"base"` // the run of the published output that it goes on from; "": there was none
	Identity infer.Identity `json:"identity"`
	Splits   []infer.Split  `json:"splits"`
}

// part is a finished part of an earlier run.
type part struct {
	infer.SplitResult
	folder string            // that it is in
	record string            // its record; "": it is published
	paths  map[string]string // of those of its files that are elsewhere, by name
}

// path is where one of the part's files is.
func (p part) path(name string) string {
	if at, ok := p.paths[name]; ok {
		return at
	}
	return p.folder + "/" + name
}

// survey is what an inference job finds of its output, and what is left to do.
// It is worked out without changing anything.
type survey struct {
	identity  infer.Identity
	onBadRow  infer.BadRows
	published *manifest // nil: there is no output yet
	splits    []infer.Split
	carried   []part        // of them, in their order
	missing   []infer.Split // the others
	folders   []string      // of earlier runs, in Output.Resume
	warnings  []string
}

// OutputError says that an output cannot be used as it is: exit code 7.
type OutputError struct {
	output Output
	text   string
}

func (e *OutputError) Error() string {
	return fmt.Sprintf("%s: %s %s", e.output.Kind, e.output.Final, e.text)
}

// Reason is the error without the output's name.
func (e *OutputError) Reason() string { return e.text }

// ExitCode is the code that the error stands for.
func (e *OutputError) ExitCode() exit.Code { return exit.Output }

// look surveys an output for a request whose Input is filled in.
func look(ctx context.Context, cfg Config, o Output, request infer.Request, data *files.Dataset) (*survey, error) {
	identity, err := infer.Identify(ctx, request)
	if err != nil {
		return nil, err
	}
	s := &survey{identity: identity, onBadRow: request.OnBadRow}
	plans, parts, err := s.earlier(ctx, o)
	if err == nil {
		err = s.divide(ctx, cfg, request, data, plans, parts)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// earlier reads what there is of the output: what earlier runs left, then what is
// published.
func (s *survey) earlier(ctx context.Context, o Output) (plans [][]infer.Split, parts []part, err error) {
	st, err := store.For(o.Final)
	if err != nil {
		return nil, nil, err
	}
	if s.published, err = readPublished(ctx, st, o, s.identity); err != nil {
		return nil, nil, unprepared(ctx, o, err)
	}
	if plans, parts, err = s.staged(ctx, st, o); err != nil {
		return nil, nil, unprepared(ctx, o, err)
	}
	if s.published != nil {
		var splits []infer.Split
		for _, r := range s.published.Splits {
			splits = append(splits, r.Split())
			parts = append(parts, part{SplitResult: r, folder: o.Final})
		}
		plans = append(plans, splits)
	}
	return plans, parts, nil
}

// changes tells whether what is published is not the output that is wanted.
func (s *survey) changes() bool {
	fromStaging := slices.ContainsFunc(s.carried, func(p part) bool { return p.record != "" })
	return s.published == nil || fromStaging || len(s.missing) > 0 || len(s.carried) != len(s.published.Splits)
}

// readPublished reads the manifest of a published output, whose parts are all
// there and of this identity; nil: there is no output.
func readPublished(ctx context.Context, st store.Store, o Output, identity infer.Identity) (*manifest, error) {
	if _, err := st.Stat(ctx, o.Final); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	const remedy = "say output.if_exists: replace, or choose another output"
	refuse := func(format string, args ...any) error {
		return &OutputError{o, fmt.Sprintf("cannot be resumed: %s: %s", fmt.Sprintf(format, args...), remedy)}
	}
	var m manifest
	if err := readJSON(ctx, st, o.Final+"/"+manifestName, &m); err != nil {
		return nil, refuse("nothing in it says what made it (%v)", err)
	}
	if _, err := st.Stat(ctx, o.Final+"/_SUCCESS"); err != nil {
		return nil, refuse("it has no _SUCCESS: it is not complete")
	}
	if !m.Made.Known() {
		return nil, refuse("it was made by a version of tfos that did not note with which settings, or by Spark without output.if_exists: resume")
	}
	if other := identity.Differences(m.Made); len(other) > 0 {
		return nil, refuse("it was made with something else: %s", strings.Join(other, ", "))
	}
	sizes, err := sizesIn(ctx, st, o.Final)
	if err != nil {
		return nil, err
	}
	for _, r := range m.Splits {
		if name := whole(ctx, st, part{SplitResult: r, folder: o.Final}, sizes); name != "" {
			return nil, refuse("%s is not in it as it was written", name)
		}
	}
	return &m, nil
}

// whole names the first file of a part that is not there as it was written, ""
// when all are. sizes are those of the data files; its quarantine is none.
func whole(ctx context.Context, st store.Store, p part, sizes map[string]int64) string {
	for _, f := range p.Sized() {
		if size, ok := sizes[p.path(f.Output)]; !ok || size != f.Bytes {
			return f.Output
		}
	}
	if p.Quarantine != nil {
		if _, err := st.Stat(ctx, p.path(p.Quarantine.Output)); err != nil {
			return p.Quarantine.Output
		}
	}
	return ""
}

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
	}
	for _, path := range slices.Sorted(maps.Keys(sizes)) {
		folder, ok := strings.CutSuffix(path, "/"+planName)
		if !ok {
			continue
		}
		s.folders = append(s.folders, folder)
		var plan splitPlan
		if err := readJSON(ctx, st, path, &plan); err != nil {
			s.warn("what an earlier run has left is not used: %v", err)
			continue
		}
		var found []part
		if plan.Identity.BySpark() {
			found, err = finishedPartitions(ctx, st, folder, plan)
		} else {
			found, err = finished(ctx, st, folder, plan, sizes)
		}
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
			plans = append(plans, plan.Splits)
			parts = append(parts, found...)
		}
	}
	// A later plan has all splits of an earlier one whose file is as it was.
	slices.SortStableFunc(plans, func(a, b []infer.Split) int { return next(b) - next(a) })
	return plans, parts, nil
}

func (s *survey) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// finished are the parts in a run's folder that are whole and have a record.
func finished(ctx context.Context, st store.Store, folder string, plan splitPlan, sizes map[string]int64) ([]part, error) {
	var parts []part
	for _, split := range plan.Splits {
		// The name's format is the identity's: other records are not looked for.
		path := folder + "/" + recordsName + "/" + infer.RecordName(infer.PartName(split.ID, plan.Identity.Format))
		if _, ok := sizes[path]; !ok {
			continue
		}
		var record infer.Record
		if err := readJSON(ctx, st, path, &record); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			continue
		}
		p := part{SplitResult: record.Split, folder: folder + "/" + partsName, record: path}
		if record.Identity.Equal(plan.Identity) && sameSplit(p.Split(), split) && whole(ctx, st, p, sizes) == "" {
			parts = append(parts, p)
		}
	}
	return parts, ctx.Err()
}

// divide works out the splits of the whole output: of a file that is as it was,
// those that it had, under their numbers; of others new ones, under new numbers.
// Then it finds the parts of those that are finished.
func (s *survey) divide(ctx context.Context, cfg Config, request infer.Request, data *files.Dataset, plans [][]infer.Split, parts []part) error {
	had := map[string][]infer.Split{}
	first := 0
	for _, splits := range plans {
		first = max(first, next(splits))
		for path, of := range byPath(splits) {
			if _, ok := had[path]; !ok {
				had[path] = of
			}
		}
	}
	fresh := data.Where(func(f store.Info) bool {
		old, ok := had[f.Path]
		if ok && old[0].Stamp.Equal(infer.StampOf(f)) {
			s.splits = append(s.splits, old...)
			return false
		}
		return true
	})
	cut, err := infer.Cut(ctx, fresh, request.CutBytes(fresh, cfg.Infer.Tasks), first)
	if err != nil {
		return err
	}
	s.splits = append(s.splits, cut...)
	slices.SortFunc(s.splits, func(a, b infer.Split) int { return a.ID - b.ID })
	done := map[int][]part{}
	for _, p := range parts {
		done[p.ID] = append(done[p.ID], p)
	}
	for _, split := range s.splits {
		i := slices.IndexFunc(done[split.ID], func(p part) bool { return sameSplit(p.Split(), split) && p.Serves(s.onBadRow) })
		if i < 0 {
			s.missing = append(s.missing, split)
		} else {
			s.carried = append(s.carried, done[split.ID][i])
		}
	}
	return nil
}

func byPath(splits []infer.Split) map[string][]infer.Split {
	out := map[string][]infer.Split{}
	for _, s := range splits {
		out[s.Path] = append(out[s.Path], s)
	}
	return out
}

// next is the first number that no split has.
func next(splits []infer.Split) int {
	n := 0
	for _, s := range splits {
		n = max(n, s.ID+1)
	}
	return n
}

func sameSplit(a, b infer.Split) bool {
	return a.ID == b.ID && a.Split == b.Split && a.Stamp.Equal(b.Stamp)
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
