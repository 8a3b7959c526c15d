package work

import (
	"context"
	"fmt"
	"slices"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/store"
)

// survey is what an inference job finds of its output, and what is left to do.
// It is worked out without changing anything. What is missing is with the kind of
// work: splits or partitions.
type survey struct {
	identity  infer.Identity
	onBadRow  infer.BadRows
	published *manifest // nil: there is no output yet
	pieces    any       // of the whole output: []infer.Split or []infer.Partition
	carried   []part    // the finished ones, in their order
	missing   int       // how many others there are
	folders   []string  // of earlier runs, in Output.Resume
	warnings  []string
}

// part is a finished part of an earlier run.
type part struct {
	infer.Part
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

// lookSplits surveys an output for a request whose Input is filled in. missing are the
// splits that are to be computed.
func lookSplits(ctx context.Context, cfg Config, o Output, request *infer.SplitsRequest, data *files.Dataset) (_ *survey, missing []infer.Split, err error) {
	identity, err := infer.Identify(ctx, request)
	if err != nil {
		return nil, nil, err
	}
	s := &survey{identity: identity, onBadRow: request.OnBadRow}
	plans, parts, err := s.earlier(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	splits, err := divide(ctx, cfg, request, data, plans)
	if err != nil {
		return nil, nil, err
	}
	return s, s.matchSplits(splits, parts), nil
}

// earlier reads what there is of the output: what earlier runs left, then what is
// published. plans are the splits of each, none where Spark reads.
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
		for _, p := range s.published.Parts {
			parts = append(parts, part{Part: p, folder: o.Final})
			if made, ok := p.(infer.SplitResult); ok {
				splits = append(splits, made.Split())
			}
		}
		plans = append(plans, splits)
	}
	return plans, parts, nil
}

// changes tells whether what is published is not the output that is wanted.
func (s *survey) changes() bool {
	fromStaging := slices.ContainsFunc(s.carried, func(p part) bool { return p.record != "" })
	return s.published == nil || fromStaging || s.missing > 0 || len(s.carried) != len(s.published.Parts)
}

func (s *survey) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}
