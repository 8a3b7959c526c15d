package batches

import (
	"context"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
)

// chunksOf is a source of one epoch whose chunks have so many rows each.
func chunksOf(t *testing.T, rows ...int64) source {
	var events []*feed.Chunk
	first := int64(0)
	for _, n := range rows {
		record := rowsFrom(first, n, 4)
		schema, message := encoded(t, record)
		record.Release()
		chunk := feed.Chunk{Rows: int(n), FirstRow: first, Schema: schema}
		events = append(events, chunk.WithData(message, func() {}))
		first += n
	}
	return func(context.Context) (*feed.Chunk, feed.EpochEnd, error) {
		if len(events) == 0 {
			return nil, feed.EpochEnd{Last: true}, nil
		}
		chunk := events[0]
		events = events[1:]
		return chunk, feed.EpochEnd{}, nil
	}
}

// TestGroups: batches of one chunk come together, and of batches that are copies each
// comes in a group of its own.
func TestGroups(t *testing.T) {
	for name, test := range map[string]struct {
		shuffle int
		chunks  []int64
		want    []int // batches of each group
	}{
		"chunks of several batches": {chunks: []int64{40, 40, 20}, want: []int{4, 4, 2}},
		"borders in batches":        {chunks: []int64{38, 38, 24}, want: []int{3, 4, 3}},
		"chunks smaller than those": {chunks: []int64{4, 4, 4, 4, 4}, want: []int{1, 1}},
		"shuffled":                  {shuffle: 40, chunks: []int64{40, 40}, want: []int{1, 1, 1, 1, 1, 1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			l := newLoader(feed.Config{Name: "train", BatchRows: 10, ShuffleRows: test.shuffle}, 0, mem, ShortLastBatch, chunksOf(t, test.chunks...))
			out := make(chan []batch, 100)
			if err := l.run(t.Context(), out); err != nil {
				t.Fatal(err)
			}
			close(out)
			var sizes []int
			var all []int64
			for group := range out {
				sizes = append(sizes, len(group))
				for _, b := range group {
					all = append(all, ids(t, b.Rows)...)
				}
				releaseGroup(group)
			}
			if !slices.Equal(sizes, test.want) {
				t.Errorf("groups of %v batches, want %v", sizes, test.want)
			}
			if slices.Sort(all); !slices.Equal(all, upTo(int64(len(all)))) {
				t.Errorf("rows %v", all)
			}
		})
	}
}
