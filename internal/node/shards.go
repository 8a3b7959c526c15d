package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"tfos/internal/exit"
	"tfos/internal/feed"
	"tfos/internal/feed/task"
	"tfos/internal/reserve"
)

// phaseFeed is the phase of a failure whose cause is the member's own input.
const phaseFeed = "feed"

// shards are the files that the member reads itself, by feed. They come with the
// member's work.
type shards map[string]task.Share

func readShards(work []byte) (shards, error) {
	var given struct {
		Shards shards `json:"shards"`
	}
	if len(work) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(work, &given); err != nil {
		return nil, fmt.Errorf("node: read the member's shards: %w", err)
	}
	return given.Shards, nil
}

// feedShards sends the member's own files to its queues, one feed after another: it is
// its own feed task. It returns when all rows are in the queues, when the program wants
// no more, at the first failure, which it has reported, and when ctx ends.
func (m *member) feedShards(ctx context.Context, own shards) {
	for _, cfg := range m.feeds() {
		share, ok := own[cfg.Name]
		if !ok {
			continue
		}
		if err := m.sendShard(ctx, cfg, share).Run(ctx); err != nil {
			if ctx.Err() == nil {
				m.failFeeding(err)
			}
			return
		}
	}
}

// sendShard returns the sending of one feed.
func (m *member) sendShard(ctx context.Context, cfg feed.Config, share task.Share) task.Sending {
	to := task.Member{Job: m.Job, Index: m.Index, Feed: task.Address(m.listeners.address)}
	return task.Sending{
		Order: task.Order{
			Feed:    task.Feed{Name: cfg.Name, ChunkRows: feed.ChunkRows(cfg.BatchRows), Balance: "demand"},
			Members: []task.Member{to}, CA: m.CA, Token: m.Token,
		},
		Files: share.Partitions, Tasks: share.Readers, Epochs: cfg.Epochs,
		Input: m.place.String() + "'s share of the input",
		EndEpoch: func(_ context.Context, sent task.Epoch) bool {
			m.warn("end of an epoch", m.rows.EndFeed(cfg.Name, sent.Number, sent.Last))
			return !sent.Last
		},
	}
}

// failFeeding makes the member fail because of its input, and ends its program.
func (m *member) failFeeding(err error) {
	failure := feed.Failure{Phase: phaseFeed, Cause: oneLine(err.Error())}
	var data *task.DataError
	if errors.As(err, &data) {
		failure.Code = exit.BadData
	}
	m.log.Error("node: read the member's share of the input", "error", err)
	m.program.setFailure(failure)
	m.client.Renew()
	m.warn("end the program", m.guard.signal(unix.SIGTERM))
}

// startFeeding starts to feed the member's own files, if it has any.
func (m *member) startFeeding(ctx context.Context, c reserve.Cluster) error {
	own, err := readShards(c.Work)
	if err == nil && len(own) > 0 {
		m.tasks.Go(func() { m.feedShards(ctx, own) })
	}
	return err
}
