package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"golang.org/x/sync/errgroup"

	"tfos/internal/files/codec"
	"tfos/internal/store"
)

// Conversion describes a data set to read and the data set to write from it.
type Conversion struct {
	From, To Format
	In       string // file, folder or glob
	Out      string // a folder that Convert creates
	// Staging is the folder that receives the files until Out is complete. It
	// is in Out's store, and must not exist.
	Staging string
	Shards  int  // number of files in Out; 0 means 1
	Replace bool // whether an existing Out is replaced
	// PartitionBy names columns that are written as folder names of Out, as
	// Spark does (day=1/…), instead of into the files. Each shard has one file
	// in each folder that its rows need.
	PartitionBy []string
	Read        ReadOptions
	Write       WriteOptions
	// Progress receives the number of rows read so far, after each batch. Its
	// calls do not overlap. It may be nil.
	Progress func(rows int64)
}

// Converted is the result of a conversion.
type Converted struct {
	Rows  int64
	Files int
}

// OutputError is a failure to write or to publish the output.
type OutputError struct {
	Path string
	Err  error
}

func (e *OutputError) Error() string { return fmt.Sprintf("files: write %s: %v", e.Path, e.Err) }

func (e *OutputError) Unwrap() error { return e.Err }

// ErrExists is wrapped where the output exists and may not be replaced.
var ErrExists = errors.New("it exists already")

// Convert reads the rows of c.In and writes c.Shards files part-00000.… and an
// empty file _SUCCESS to c.Out. After an error Out is as it was before.
//
// Rows are read in the input's order. Each batch is divided evenly among the
// shards. One shard keeps the order of all rows. Several shards differ by at
// most one row for every batch.
//
// Memory holds a few batches, and one row group for each open file of formats
// that have row groups.
func Convert(ctx context.Context, c Conversion) (Converted, error) {
	c.Shards = max(1, c.Shards)
	if c.Read.Memory == nil {
		c.Read.Memory = memory.DefaultAllocator
	}
	st, err := store.For(c.Out)
	if err != nil {
		return Converted{}, &OutputError{c.Out, err}
	}
	if err := checkOverlap(ctx, c.In, c.Out); err != nil {
		return Converted{}, err
	}
	if err := checkOutput(ctx, st, c.Out, c.Replace); err != nil {
		return Converted{}, err
	}
	d, err := Open(ctx, c.From, c.In, c.Read)
	if err != nil {
		return Converted{}, err
	}
	if d.Schema().NumFields() == 0 {
		return Converted{}, fmt.Errorf("files: %s: without rows the columns are not known: declare them", c.In)
	}
	run := &conversion{Conversion: c, store: st, data: d}
	if err := run.choosePartitionColumns(); err != nil {
		return Converted{}, err
	}
	run.Write.GroupBytes = run.groupBytes
	err = run.writeAndPublish(ctx)
	if err != nil {
		// The staging folder is useless now. ctx may have ended.
		err = errors.Join(err, st.Remove(context.WithoutCancel(ctx), c.Staging))
	}
	return Converted{Rows: run.rows, Files: int(run.openedFiles.Load())}, err
}

// checkOverlap refuses an output that lies inside the input or contains it.
func checkOverlap(ctx context.Context, in, out string) error {
	switch o, err := store.OverlapOf(ctx, in, out); {
	case err != nil:
		return fmt.Errorf("files: %w", err)
	case o == store.Inside:
		return fmt.Errorf("files: %s lies in the input (%s), and would be read as rows of it: choose a folder that the input does not reach", out, in)
	case o == store.Around:
		return fmt.Errorf("files: the input (%s) lies in %s: choose another folder", in, out)
	}
	return nil
}

func checkOutput(ctx context.Context, st store.Store, path string, replace bool) error {
	_, err := st.Stat(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && replace:
		return nil
	case err == nil:
		err = ErrExists
	}
	return &OutputError{path, err}
}

type conversion struct {
	Conversion
	store store.Store
	data  *Dataset
	rows  int64 // rows read so far
	// Indexes of data's columns: those in folder names, and those in the files.
	partitionColumns, fileColumns []int
	fileSchema                    *arrow.Schema
	openedFiles                   atomic.Int64
}

func (c *conversion) writeAndPublish(ctx context.Context) error {
	if err := c.store.Mkdir(ctx, c.Staging); err != nil {
		return &OutputError{c.Staging, err}
	}
	if err := c.copyRows(ctx); err != nil {
		return err
	}
	err := store.MarkSuccess(ctx, c.store, c.Staging)
	if err == nil {
		err = c.store.Publish(ctx, c.Staging, c.Out, c.Replace)
	}
	if errors.Is(err, fs.ErrExist) {
		err = ErrExists
	}
	if err != nil {
		return &OutputError{c.Out, err}
	}
	return nil
}

// copyRows runs one reader, and one writer for each shard. The reader is at
// most a few batches ahead.
func (c *conversion) copyRows(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	queues := make([]chan arrow.Record, c.Shards)
	for i := range queues {
		queues[i] = make(chan arrow.Record, 2)
		group.Go(func() error { return c.writeShard(ctx, i, queues[i]) })
	}
	group.Go(func() error {
		err := c.readRows(ctx, queues)
		if err == nil { // after an error ctx ends the writers
			for _, q := range queues {
				close(q)
			}
		}
		return err
	})
	err := group.Wait()
	for _, q := range queues {
		releaseQueued(q)
	}
	return err
}

func releaseQueued(q chan arrow.Record) {
	for {
		select {
		case r, ok := <-q:
			if !ok {
				return
			}
			r.Release()
		default:
			return
		}
	}
}

func (c *conversion) readRows(ctx context.Context, queues []chan arrow.Record) error {
	splits, err := c.data.Splits(ctx, 0)
	if err != nil {
		return err
	}
	batch := 0
	for _, s := range splits {
		r, err := c.data.Read(ctx, s)
		if err != nil {
			return err
		}
		for {
			record, err := r.Next()
			if err == io.EOF {
				break
			}
			if err == nil {
				err = c.distributeRows(ctx, record, queues, batch)
				batch++
			}
			if err != nil {
				return errors.Join(err, r.Close())
			}
		}
		if err := r.Close(); err != nil {
			return codec.StoreError(s.Path, err)
		}
	}
	return nil
}

// distributeRows sends each shard its part of a batch; the shard releases the
// part. The first shard changes with every batch, because parts may differ by
// one row.
func (c *conversion) distributeRows(ctx context.Context, record arrow.Record, queues []chan arrow.Record, batch int) error {
	defer record.Release()
	n, parts := record.NumRows(), int64(len(queues))
	for i := range parts {
		from, to := n*i/parts, n*(i+1)/parts
		if from == to {
			continue
		}
		part := record.NewSlice(from, to)
		select {
		case queues[(int(i)+batch)%len(queues)] <- part:
		case <-ctx.Done():
			part.Release()
			return ctx.Err()
		}
	}
	c.rows += n
	if c.Progress != nil {
		c.Progress(c.rows)
	}
	return nil
}

// extension returns the name extension of the output files. A whole-file
// compression is appended; parquet and Arrow compress inside the file.
func (c *conversion) extension() string {
	ext := c.To.Extension()
	if c.To == Parquet || c.To == Arrow {
		return ext
	}
	switch c.Write.Compression {
	case "gzip":
		ext += ".gz"
	case "zlib":
		ext += ".zlib"
	}
	return ext
}

func (c *conversion) writeShard(ctx context.Context, i int, from <-chan arrow.Record) (err error) {
	files := &shardFiles{conversion: c, name: fmt.Sprintf("part-%05d%s", i, c.extension()), open: map[string]*shardFile{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, files.abortFiles())
		}
	}()
	if len(c.partitionColumns) == 0 {
		if _, err := files.openFile(ctx, ""); err != nil {
			return err
		}
	}
	for {
		select {
		case record, ok := <-from:
			if !ok {
				return files.commitFiles()
			}
			err := files.writeRows(ctx, record)
			record.Release()
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wrapWriteError turns the error of a Writer's Write into an OutputError of the
// store or into an error of a value (ErrValue). It returns nil for nil.
func wrapWriteError(err error) error {
	if err == nil {
		return nil
	}
	var output *OutputError
	if errors.As(err, &output) {
		return output
	}
	return fmt.Errorf("%w (%w)", err, ErrValue)
}

// outputFile reports the store's errors as OutputError.
type outputFile struct {
	file store.File
	path string
}

func (o *outputFile) Write(p []byte) (int, error) {
	n, err := o.file.Write(p)
	if err != nil {
		err = &OutputError{o.path, err}
	}
	return n, err
}

func (o *outputFile) commit(w Writer) error {
	if err := w.Close(); err != nil {
		return wrapWriteError(err)
	}
	if err := o.file.Commit(); err != nil {
		return &OutputError{o.path, err}
	}
	return nil
}
