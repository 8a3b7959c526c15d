package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/launch"
	"tfos/internal/record"
	"tfos/internal/store"
)

// maxShards bounds the files that are written at once.
const maxShards = 1000

type convertOptions struct {
	in, out      string
	from, to     string
	shards       int
	schema       string
	columns      []string
	partitionBy  []string
	compression  string
	readOptions  []string
	writeOptions []string
	ifExists     string
	output       verdictFormat
}

func newConvertCommand(c *cli) *cobra.Command {
	o := &convertOptions{}
	cmd := &cobra.Command{
		Use:   "convert --to FORMAT IN OUT",
		Short: "Write files of rows in another format",
		Long: `Reads IN, a file, folder or glob, and writes its rows as files part-00000.… in
the folder OUT, with _SUCCESS beside them, all or nothing. One shard keeps the
order of rows; more get the same number of rows each. With --partition-by OUT has
a folder for each value (day=1/part-00000.…), and the files have the other columns.
Such folders below IN are columns of its rows, with the types that Spark infers.

Formats: parquet, tfrecord (of tf.Example or tf.SequenceExample; gzip and zlib
too), csv, json (one object a line), arrow (IPC). docs/data.md says what each
holds. Values are read as --schema declares them, else with the types that the
files have. Types of CSV, JSON and TFRecord columns are guessed from the first
rows.`,
		Example: `  tfos convert --to tfrecord --shards 8 data/train.parquet data/records
  tfos convert --from csv --to parquet --schema 'id bigint, name string' in.csv out
  tfos convert --to parquet --partition-by day data/events.csv data/by-day
  tfos convert --to json --columns id,label --read-option header=false 'in/*.csv' out`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%s needs an input and an output, such as: %s --to tfrecord data/train.parquet out", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.in, o.out = store.Canonical(args[0]), store.Canonical(args[1])
			return runConvert(cmd.Context(), c, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.from, "from", "", "`format` of the input (default: as the files say, by name or first bytes)")
	f.StringVar(&o.to, "to", "", "`format` of the output")
	f.IntVar(&o.shards, "shards", 1, "`files` to write")
	f.StringVar(&o.schema, "schema", "", "types of columns in Spark's `DDL`; other columns as the files say")
	f.StringSliceVar(&o.columns, "columns", nil, "`names` of the columns to keep, in this order (default: all)")
	f.StringSliceVar(&o.partitionBy, "partition-by", nil, "`names` of columns whose values become folders (day=1/…), as Spark has them")
	f.StringVar(&o.compression, "compression", "", "none|snappy|gzip|zlib|lz4|zstd|brotli, as the format has it (default: the format's usual `one`)")
	f.StringArrayVar(&o.readOptions, "read-option", nil, "an option of the input's format, as `name=value`; may be repeated")
	f.StringArrayVar(&o.writeOptions, "write-option", nil, "an option of the output's format, as `name=value`; may be repeated")
	f.StringVar(&o.ifExists, "if-exists", "fail", "what to do when OUT exists: `fail|replace`")
	f.Var(&o.output, "output", "what standard output gets at the end: `text|json`")
	return cmd
}

func runConvert(ctx context.Context, c *cli, o *convertOptions) error {
	start := c.now()
	var job files.Conversion
	err := c.useStores(o.in, o.out)
	if err == nil {
		job, err = o.conversion(ctx, c)
	}
	var done files.Converted
	if err == nil {
		p := newProgress(c)
		job.Progress = func(rows int64) { p.converted(rows) }
		done, err = files.Convert(ctx, job)
		p.finish()
	}
	seconds := c.now().Sub(start).Seconds()
	v := record.Verdict{Kind: "convert", Seconds: map[string]float64{"total": seconds}}
	if err != nil {
		code := c.conclude(v, convertError(ctx, err), o.output.json)
		return &reportedError{code}
	}
	v.Rows.Read = done.Rows
	v.Artifacts = []record.Artifact{{Kind: "files", Path: job.Out}}
	c.talk("tfos: %d rows, %d files, %.1f s, %.0f rows/s", done.Rows, done.Files, seconds, float64(done.Rows)/max(seconds, 1e-3))
	if code := c.conclude(v, nil, o.output.json); code != exit.Done {
		return &reportedError{code}
	}
	return nil
}

// conversion returns the conversion that the command line asks for.
func (o *convertOptions) conversion(ctx context.Context, c *cli) (job files.Conversion, err error) {
	job = files.Conversion{
		In: c.absPath(o.in), Out: strings.TrimSuffix(c.absPath(o.out), "/"), To: files.Format(o.to), From: files.Format(o.from), Shards: o.shards,
		PartitionBy: o.partitionBy,
		Read:        files.ReadOptions{Columns: o.columns, Warn: func(text string) { c.talk("tfos: warning: %s", text) }},
		Write:       files.WriteOptions{Compression: o.compression},
	}
	switch {
	case !job.To.Known():
		return job, usageError("--to %s: must be one of %v", o.to, files.Formats)
	case o.from != "" && !job.From.Known():
		return job, usageError("--from %s: must be one of %v", o.from, files.Formats)
	case o.shards < 1 || o.shards > maxShards:
		return job, usageError("--shards %d: must be 1 to %d", o.shards, maxShards)
	case o.ifExists != "fail" && o.ifExists != "replace":
		return job, usageError("--if-exists %s: must be fail or replace", o.ifExists)
	}
	job.Replace = o.ifExists == "replace"
	if job.Read.Options, err = formatOptions(o.readOptions); err != nil {
		return job, usageError("--read-option %w", err)
	}
	if job.Write.Options, err = formatOptions(o.writeOptions); err != nil {
		return job, usageError("--write-option %w", err)
	}
	dir, name := path.Split(job.Out)
	job.Staging = fmt.Sprintf("%s.%s.tmp-%d", dir, name, c.now().UnixNano())
	if o.schema != "" {
		if job.Read.Schema, err = files.ParseSchema(o.schema); err != nil {
			return job, usageError("--schema: %w", err)
		}
	}
	if o.from == "" {
		job.From, err = files.Tell(ctx, job.In)
		if errors.Is(err, files.ErrUntold) {
			return job, usageError("%w: --from says the input's format", err)
		} else if err != nil {
			return job, err
		}
	}
	return job, nil
}

// formatOptions reads name=value. The value may be any text.
func formatOptions(list []string) (map[string]string, error) {
	options := map[string]string{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s: must be name=value", text)
		}
		options[name] = value
	}
	return options, nil
}

// absPath makes a path of the command line absolute. URIs are absolute already.
func (c *cli) absPath(path string) string {
	if strings.Contains(path, "://") || strings.HasPrefix(path, "file:/") || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.dir, path)
}

// convertError adds the exit code to a conversion's error.
func convertError(ctx context.Context, err error) error {
	var own *launch.Error
	var data *files.Error
	var output *files.OutputError
	var disk *fs.PathError
	code := exit.Usage // something is missing or unknown
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("convert: %w", context.Cause(ctx))
	case errors.As(err, &own):
		return err
	case errors.As(err, &output):
		code = exit.Output
	case errors.As(err, &data), errors.Is(err, files.ErrType), errors.Is(err, files.ErrValue):
		code = exit.BadData
		if errors.Is(err, files.ErrType) && data == nil {
			err = fmt.Errorf("%w: declare the column as one that it has (--schema 'day string'), or leave it out (--columns)", err)
		}
	case errors.As(err, &disk) && !errors.Is(err, fs.ErrNotExist):
		code = exit.Failed
	}
	return &launch.Error{Code: code, Phase: "convert", Err: err}
}

// converted shows on a terminal how many rows are converted.
func (p *progress) converted(rows int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); now.Sub(p.last) >= time.Second/5 {
		p.last = now
		p.showLive(fmt.Sprintf("%d rows", rows))
	}
}
