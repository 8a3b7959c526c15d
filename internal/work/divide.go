package work

import (
	"context"
	"slices"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/store"
)

// divide works out the splits of the whole output: of a file that is as it was,
// those that it had, under their numbers; of others new ones, under new numbers.
func divide(ctx context.Context, cfg Config, request *infer.SplitsRequest, data *files.Dataset, plans [][]infer.Split) ([]infer.Split, error) {
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
	var all []infer.Split
	fresh := data.Where(func(f store.Info) bool {
		old, ok := had[f.Path]
		if ok && old[0].Stamp.Equal(infer.StampOf(f)) {
			all = append(all, old...)
			return false
		}
		return true
	})
	cut, err := infer.Cut(ctx, fresh, request.CutBytes(fresh, cfg.Infer.Tasks), first)
	if err != nil {
		return nil, err
	}
	all = append(all, cut...)
	slices.SortFunc(all, func(a, b infer.Split) int { return a.ID - b.ID })
	return all, nil
}

// matchSplits finds the finished parts of splits, and returns the splits that have
// none.
func (s *survey) matchSplits(splits []infer.Split, parts []part) (missing []infer.Split) {
	done := map[int][]part{}
	for _, p := range parts {
		done[p.Info().ID] = append(done[p.Info().ID], p)
	}
	for _, split := range splits {
		i := slices.IndexFunc(done[split.ID], func(p part) bool {
			made, ok := p.Part.(infer.SplitResult)
			return ok && sameSplit(made.Split(), split) && made.Serves(s.onBadRow)
		})
		if i < 0 {
			missing = append(missing, split)
		} else {
			s.carried = append(s.carried, done[split.ID][i])
		}
	}
	s.pieces, s.missing = splits, len(missing)
	return missing
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
