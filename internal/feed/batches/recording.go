package batches

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"tfos/internal/feed"
)

// alignment is that of chunks in the file: Arrow's own.
const alignment = 64

// recording is a feed's chunks in a file without a name, one after another. It is
// written once and then read by any goroutine.
type recording struct {
	file   *os.File
	chunks []feed.Chunk // without data
	places []place
	size   int64
	memory *feed.Mapping // nil: no rows
}

// errEpochs is no user's fault: plans have one epoch of validation rows.
var errEpochs = errors.New("several epochs cannot be read again")

type place struct{ offset, size int64 }

func newRecording(folder string) (*recording, error) {
	file, err := os.CreateTemp(folder, "rows-*")
	if err == nil {
		err = os.Remove(file.Name()) // it goes with the process, however that ends
	}
	if err != nil {
		return nil, fmt.Errorf("feed: keep rows: %w", err)
	}
	return &recording{file: file}, nil
}

// record takes all chunks of a feed of one epoch.
func (r *recording) record(ctx context.Context, next source) error {
	for {
		chunk, end, err := next(ctx)
		switch {
		case err != nil:
			return err
		case chunk != nil:
			if err := r.addChunk(chunk); err != nil {
				return err
			}
		case !end.Last:
			return errEpochs
		default:
			return r.mapFile()
		}
	}
}

func (r *recording) addChunk(c *feed.Chunk) error {
	defer c.Release()
	if _, err := r.file.WriteAt(c.Data, r.size); err != nil {
		return fmt.Errorf("feed: keep rows: %w", err)
	}
	size := int64(len(c.Data))
	r.places = append(r.places, place{r.size, size})
	kept := feed.Chunk{Epoch: c.Epoch, Rows: c.Rows, Partition: c.Partition, FirstRow: c.FirstRow, Schema: c.Schema}
	r.chunks = append(r.chunks, kept)
	r.size += (size + alignment - 1) / alignment * alignment
	return nil
}

func (r *recording) mapFile() (err error) {
	if r.size > 0 {
		r.memory, err = feed.MapFile(fmt.Sprintf("/proc/self/fd/%d", r.file.Fd()), 0)
	}
	return err
}

// reader returns a source that gives all chunks once.
func (r *recording) reader() source {
	at := 0
	return func(context.Context) (*feed.Chunk, feed.EpochEnd, error) {
		if at == len(r.chunks) {
			at++
			return nil, feed.EpochEnd{Last: true}, nil
		}
		if at > len(r.chunks) {
			return nil, feed.EpochEnd{}, io.EOF
		}
		chunk := r.chunks[at]
		data, err := r.memory.Borrow(r.places[at].offset, r.places[at].size)
		if err != nil {
			return nil, feed.EpochEnd{}, err
		}
		at++
		return chunk.WithData(data, r.memory.Release), feed.EpochEnd{}, nil
	}
}

// close deletes the file. Records that readers have made stay valid.
func (r *recording) close() error {
	if r.memory != nil {
		r.memory.Release()
	}
	return r.file.Close()
}
