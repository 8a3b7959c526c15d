package work

import (
	"context"
	"fmt"
	"slices"

	"tfos/internal/feed/task"
	"tfos/internal/reserve"
	"tfos/internal/train"
)

// trainee is a member's work in a training: the request, and the files that it reads
// itself, by feed.
type trainee struct {
	*train.Request
	Shards map[string]task.Share `json:"shards,omitempty"`
}

// shareShards works out which files each member reads, by feed.
func (c Config) shareShards(ctx context.Context) (map[reserve.Place]map[string]task.Share, error) {
	out := map[reserve.Place]map[string]task.Share{}
	for _, shard := range c.Shards {
		var takers []reserve.Place
		for _, m := range c.Members {
			if slices.Contains(m.Feeds, shard.Feed) {
				takers = append(takers, reserve.Place{Job: m.Job, Index: m.Index})
			}
		}
		in := task.Input{Format: shard.Input.Format, Path: shard.Input.Path, Options: shard.Input.Options, Columns: shard.Columns, Folders: shard.Input.Folders}
		shares, err := task.ShareOut(ctx, in, len(takers), shard.Readers)
		if err != nil {
			return nil, fmt.Errorf("feed %s: %w", shard.Feed, err)
		}
		for i, p := range takers {
			if out[p] == nil {
				out[p] = map[string]task.Share{}
			}
			out[p][shard.Feed] = shares[i]
		}
	}
	return out, nil
}
