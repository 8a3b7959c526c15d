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

// Conversion is a data set that is to be written as another one.
type Conversion struct {
	From, To Format
	In       string // file, folder or glob
	Out      string // a folder that is made
	// Staging is where Out is written before it is complete: a folder of the
	// same store that is not there.
	Staging string
	Shards  int  // files of Out; 0: 1
	Replace bool // an existing Out
	// PartitionBy are columns whose values name folders of Out, as Spark has them
	// (day=1/…), and are not in the files. Each shard has a file in each folder that
	// its rows name.
	PartitionBy []string
	Read        ReadOptions
	Write       WriteOptions
	// Progress is told, now and then, how many rows are written. Calls do not
	// overlap.
	Progress func(rows int64)
}

// Converted is what a conversion made.
type Converted struct {
	Rows  int64
	Files int
}

// OutputError is a failure to write or to publish, and not to read.
type OutputError struct {
	Path string
	Err  error
}

func (e *OutputError) Error() string { return fmt.Sprintf("files: write %s: %v", e.Path, e.Err) }

func (e *OutputError) Unwrap() error { return e.Err }

// ErrExists is wrapped where an output is there and may not be replaced.
var ErrExists = errors.New("it exists already")

// Convert writes the rows of c.In as c.Shards files part-00000.… in c.Out, with
// an empty file _SUCCESS, all or nothing. Rows are read in their order; each
// batch is dealt to the shards in pieces of the same size, so that one shard
// keeps the order, and more have the same number of rows each, within one of
// every batch. In memory are a few batches, and a row group of each shard where
// the format has such.
func Convert(ctx context.Context, c Conversion) (Converted, error) {
	c.Shards = max(1, c.Shards)
	if c.Read.Memory == nil {
		c.Read.Memory = memory.DefaultAllocator
	}
	st, err := store.For(c.Out)
	if err != nil {
		return Converted{}, &OutputError{c.Out, err}
	}
	if err := outside(ctx, c.In, c.Out); err != nil {
		return Converted{}, err
	}
	if err := absent(ctx, st, c.Out, c.Replace); err != nil {
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
	if err := run.partition(); err != nil {
		return Converted{}, err
	}
	run.Write.GroupBytes = run.groupBytes
	err = run.all(ctx)
	if err != nil {
		// What was written is of no use, and ctx may have ended.
		err = errors.Join(err, st.Remove(context.WithoutCancel(ctx), c.Staging))
	}
	return Converted{Rows: run.rows, Files: int(run.opened.Load())}, err
}

// outside refuses an output among the input's files, or around them.
func outside(ctx context.Context, in, out string) error {
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

func absent(ctx context.Context, st store.Store, path string, replace bool) error {
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
	rows  int64 // read
	// Of data's columns those in folders' names, and those in files.
	by, rest []int
	inFiles  *arrow.Schema
	opened   atomic.Int64 // files
}

func (c *conversion) all(ctx context.Context) error {
	if err := c.store.Mkdir(ctx, c.Staging); err != nil {
		return &OutputError{c.Staging, err}
	}
	if err := c.copy(ctx); err != nil {
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

// copy runs a reader and a writer for each shard, a few batches apart.
func (c *conversion) copy(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	queues := make([]chan arrow.Record, c.Shards)
	for i := range queues {
		queues[i] = make(chan arrow.Record, 2)
		group.Go(func() error { return c.shard(ctx, i, queues[i]) })
	}
	group.Go(func() error {
		err := c.read(ctx, queues)
		if err == nil { // else the writers end by ctx
			for _, q := range queues {
				close(q)
			}
		}
		return err
	})
	err := group.Wait()
	for _, q := range queues {
		drain(q)
	}
	return err
}

func drain(q chan arrow.Record) {
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

func (c *conversion) read(ctx context.Context, queues []chan arrow.Record) error {
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
				err = c.deal(ctx, record, queues, batch)
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

// deal gives each shard a part of a batch, which it releases. Another shard is
// the first each time, since the parts differ by a row.
func (c *conversion) deal(ctx context.Context, record arrow.Record, queues []chan arrow.Record, batch int) error {
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

// extension of the files that are written; a packed file says so after it,
// unless the format packs within.
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

func (c *conversion) shard(ctx context.Context, i int, from <-chan arrow.Record) (err error) {
	files := &shardFiles{c: c, name: fmt.Sprintf("part-%05d%s", i, c.extension()), open: map[string]*shardFile{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, files.abort())
		}
	}()
	if len(c.by) == 0 {
		if _, err := files.file(ctx, ""); err != nil {
			return err
		}
	}
	for {
		select {
		case record, ok := <-from:
			if !ok {
				return files.end()
			}
			err := files.write(ctx, record)
			record.Release()
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// refused is the error of a Write: the output's own, or that of a value; nil for
// nil.
func refused(err error) error {
	if err == nil {
		return nil
	}
	var output *OutputError
	if errors.As(err, &output) {
		return output
	}
	return fmt.Errorf("%w (%w)", err, ErrValue)
}

// outputFile makes the store's errors output errors.
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

func (o *outputFile) end(w Writer) error {
	if err := w.Close(); err != nil {
		return refused(err)
	}
	if err := o.file.Commit(); err != nil {
		return &OutputError{o.path, err}
	}
	return nil
}
