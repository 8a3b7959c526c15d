package batches

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"tfos/internal/feed"
)

// BenchmarkBatches takes batches of 128 rows of 784 floats from a real member, which
// a real feed task fills from a file. It reports the time of a batch: file, task,
// member and batches share the CPUs.
func BenchmarkBatches(b *testing.B) {
	const fileRows = 12_800
	path := writeFile(b, fileRows, 784)
	for name, change := range map[string]func(*feed.Config, *member){
		"one chunk each":     func(_ *feed.Config, m *member) { m.order.Feed.ChunkRows = 128 },
		"two chunks each":    func(_ *feed.Config, m *member) { m.order.Feed.ChunkRows = 100 },
		"shuffled in 10,000": func(c *feed.Config, m *member) { c.ShuffleRows, m.order.Feed.ChunkRows = 10_000, 128 },
		"replayed":           func(c *feed.Config, m *member) { c.CacheBytes, m.order.Feed.ChunkRows = 1<<30, 128 },
	} {
		b.Run(name, func(b *testing.B) {
			cfg := feed.Config{Name: "train", QueueBytes: 64 << 20, BatchRows: 128}
			change(&cfg, &member{})
			m := newMember(b, 0, cfg)
			change(&cfg, m)
			epochs := b.N*128/fileRows + 1
			in, err := Open(b.Context(), m.programs, "train", ShortLastBatch)
			if err != nil {
				b.Fatal(err)
			}
			defer in.Close()
			b.SetBytes(128 * 784 * 4)
			b.ResetTimer()
			m.tasks.Go(func() { benchFeed(b, m, path, epochs, cfg.CacheBytes > 0) })
			for range b.N {
				got, err := in.Next(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				got.Rows.Release()
			}
			b.StopTimer()
			if err := in.Stop(); err != nil && !errors.Is(err, io.EOF) {
				b.Error(err)
			}
			m.tasks.Wait()
		})
	}
}

func benchFeed(b *testing.B, m *member, path string, epochs int, replay bool) {
	for epoch := range epochs {
		err := <-m.send(path, epoch)
		if err == nil {
			err = m.EndFeed("train", epoch, epoch == epochs-1)
		}
		if err == nil && replay {
			err = m.Replay("train", epochs)
		}
		if err != nil {
			b.Error(fmt.Errorf("epoch %d: %w", epoch, err))
		}
		if replay {
			return
		}
	}
}
