package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/colinmarc/hdfs/v2"
)

// Create implements Store.
func (s HDFS) Create(ctx context.Context, path string) (File, error) {
	return s.create(ctx, path, s.mode(0o666))
}

func (s HDFS) create(ctx context.Context, path string, mode fs.FileMode) (*hdfsFile, error) {
	f := &hdfsFile{s: s, final: path, mode: mode}
	return f, f.begin(ctx)
}

// hdfsFile is a file that still has its temporary name.
//
// The client cannot write on after a data node, or the name node within a block, has
// failed. Then the file is written again under another temporary name: the blocks that are
// complete are read back, and the rest is still in memory.
type hdfsFile struct {
	s       HDFS
	final   string
	mode    fs.FileMode
	temp    string
	writer  *hdfs.FileWriter
	client  *hdfs.Client // of writer
	block   int64        // block size, in bytes
	size    int64        // written so far
	kept    []byte       // the last bytes, from the first one that is not in a complete block
	lost    bool         // there are more than keptBytes of them: kept is empty
	ended   bool
	failure error // of Write: Commit has it as well
}

// keptBytes is how many bytes an open file keeps in memory at most.
const keptBytes = 64 << 20

// begin creates the file under a new temporary name.
func (f *hdfsFile) begin(ctx context.Context) error {
	temp, tries := temporaryName(f.final), 0
	return f.s.do(ctx, "create", f.final, func(c *hdfs.Client) error {
		replication, block, err := f.s.fileDefaults(c)
		if err != nil {
			return err
		}
		if tries++; tries > 1 { // the answer to the first try may have been lost
			if err := c.RemoveAll(hdfsPath(temp)); err != nil {
				return err
			}
		}
		w, err := c.CreateFile(hdfsPath(temp), replication, block, f.mode)
		if err != nil {
			return err
		}
		f.temp, f.writer, f.client, f.block = temp, w, c, block
		info, err := c.Stat(hdfsPath(temp))
		if err == nil {
			err = readable(info) // an encryption zone, or an erasure-coded folder
		}
		if err != nil {
			return errors.Join(err, c.Remove(hdfsPath(temp)))
		}
		return nil
	})
}

// Write implements io.Writer.
func (f *hdfsFile) Write(p []byte) (int, error) {
	if f.ended {
		return 0, fmt.Errorf("store: write %s: %w", f.final, fs.ErrClosed)
	}
	if f.failure != nil {
		return 0, f.failure
	}
	for done := 0; done < len(p); {
		first := f.size%f.block == 0 // of a block: the client completes the one before
		piece := p[done:min(int64(len(p)), int64(done)+f.block-f.size%f.block)]
		f.keep(piece)
		_, err := f.writer.Write(piece)
		f.size += int64(len(piece))
		if err != nil {
			if f.failure = f.again(err); f.failure != nil {
				return done, f.failure
			}
		} else if first {
			f.kept, f.lost = f.kept[:0], false
			f.keep(piece)
		}
		done += len(piece)
	}
	return len(p), nil
}

// keep remembers what is being written.
func (f *hdfsFile) keep(piece []byte) {
	if f.lost || len(f.kept)+len(piece) > keptBytes {
		f.kept, f.lost = nil, true
		return
	}
	f.kept = append(f.kept, piece...)
}

// again writes the file again after cause, an error of its writer.
func (f *hdfsFile) again(cause error) error {
	ctx := context.Background() // Write has none
	failed := func(err error) error {
		return fmt.Errorf("store: write %s at %d: %w", f.final, f.size, err)
	}
	cause = fromHDFS(cause)
	if passes, _ := retryAfter(cause); !passes && !errors.Is(cause, errLeaseLost) {
		return failed(cause)
	}
	if f.lost {
		return failed(fmt.Errorf("%w. More than %d MiB of the block are written: write the file again", cause, keptBytes>>20))
	}
	before, broken := f.temp, f.writer
	err := f.s.do(ctx, "write", f.final, func(*hdfs.Client) error {
		complete := f.size - int64(len(f.kept))
		if err := f.begin(ctx); err != nil {
			return err
		}
		err := f.refill(ctx, before, complete)
		if err == nil {
			_, err = f.writer.Write(f.kept)
		}
		if err != nil { // the next try reads the complete blocks from the first file
			err = errors.Join(err, f.s.Remove(ctx, f.temp))
			f.temp = before
			return err
		}
		_ = broken.Close() // it ends its goroutines
		return f.s.Remove(ctx, before)
	})
	if err != nil {
		return failed(errors.Join(cause, err))
	}
	return nil
}

// refill copies the complete blocks of the file with another temporary name.
func (f *hdfsFile) refill(ctx context.Context, from string, size int64) error {
	if size == 0 {
		return nil
	}
	r, err := f.s.ReadRange(ctx, from, 0, size)
	if err != nil {
		return err
	}
	n, err := io.Copy(writerOnly{f.writer}, r)
	if err = errors.Join(err, r.Close()); err == nil && n < size {
		err = fmt.Errorf("%d of %d bytes of %s: %w", n, size, from, io.ErrUnexpectedEOF)
	}
	return err
}

// writerOnly hides the other methods of a writer.
type writerOnly struct{ io.Writer }

// Commit implements File.
func (f *hdfsFile) Commit() error {
	ctx := context.Background() // the interface has none
	switch {
	case f.ended:
		return fmt.Errorf("store: commit %s: %w", f.final, fs.ErrClosed)
	case f.failure != nil:
		return errors.Join(f.failure, f.Abort())
	}
	err := f.finish(ctx)
	if err == nil {
		err = f.checkSize(ctx)
	}
	if err == nil {
		err = f.s.rename(ctx, f.temp, f.final)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store: commit %s: %w", f.final, err), f.Abort())
	}
	f.ended = true
	return nil
}

// checkSize returns an error if the name node does not have all bytes.
func (f *hdfsFile) checkSize(ctx context.Context) error {
	info, err := f.s.stat(ctx, f.temp)
	if err == nil && info.Size() != f.size {
		err = fmt.Errorf("the file has %d of %d bytes: %w", info.Size(), f.size, io.ErrUnexpectedEOF)
	}
	return err
}

// finish closes the writer, and writes the file again if that fails.
func (f *hdfsFile) finish(ctx context.Context) error {
	err := f.s.closeWriter(ctx, f.writer, f.temp, f.size)
	if err == nil {
		return nil
	}
	if err := f.again(err); err != nil {
		return err
	}
	return f.s.closeWriter(ctx, f.writer, f.temp, f.size)
}

// Abort implements File.
func (f *hdfsFile) Abort() error {
	if f.ended {
		return nil
	}
	f.ended = true
	_ = f.writer.Close() // it ends the writer's goroutines. The file is deleted
	return f.s.Remove(context.Background(), f.temp)
}

// closeWriter completes a file of size bytes. It waits until enough data nodes have the
// last block.
func (h *hdfsCluster) closeWriter(ctx context.Context, w *hdfs.FileWriter, path string, size int64) error {
	tries := 0
	return h.do(ctx, "write", path, func(c *hdfs.Client) error {
		tries++
		failures := h.nameNodeFailures.Load()
		err := closeReplicated(ctx, w)
		var answer hdfs.Error
		var named *fs.PathError
		switch {
		case err == nil || hdfs.IsErrReplicating(err):
			return err
		case errors.As(err, &answer) || errors.As(err, &named):
			// The name node's part may be repeated. If an answer was lost, the file is complete.
			if err = fromHDFS(err); tries > 1 && (errors.Is(err, errLeaseLost) || errors.Is(err, fs.ErrNotExist)) {
				if info, statErr := c.Stat(hdfsPath(path)); statErr == nil && info.Size() == size {
					return nil
				}
			}
			return err
		case h.nameNodeFailures.Load() > failures && !errors.Is(err, errDataNode):
			return err
		}
		return brokenWriter{err}
	})
}

// replicating is the longest pause between two questions whether a file is complete.
const replicating = 100 * time.Millisecond

// closeReplicated closes a writer. Where the name node does not know yet that a data node
// has the last block, it asks again: at first soon, because data nodes report a block when
// they have it, beside their answer to the writer.
func closeReplicated(ctx context.Context, w *hdfs.FileWriter) error {
	err := w.Close()
	for pause := time.Millisecond; hdfs.IsErrReplicating(err) && pause < replicating; pause *= 2 {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		err = w.Close()
	}
	return err
}

// brokenWriter is the error of a writer whose data node has failed. Closing it again would
// not help.
type brokenWriter struct{ error }

func (e brokenWriter) Unwrap() error { return e.error }
