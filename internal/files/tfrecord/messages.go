package tfrecord

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/codec"
	"tfos/internal/files/rowformat"
	"tfos/internal/store"
)

// messageCodec is TFRecord files of tf.Example and tf.SequenceExample.
type messageCodec struct{}

func (messageCodec) schema(ctx context.Context, list []store.Info, o codec.ReadOptions) (*arrow.Schema, error) {
	if _, err := recordTypeOf(o.Options); err != nil {
		return nil, err
	}
	features := exampleFeatures{}
	s := rowformat.NewSample(list, o)
	for _, info := range list {
		if s.NextFile() {
			break
		}
		if err := sampleExamples(ctx, s, info.Path, features, o); err != nil {
			return nil, err
		}
	}
	if len(features) == 0 && s.FirstBad != nil {
		return nil, s.FirstBad
	}
	return arrow.NewSchema(features.fields(o.Schema), nil), nil
}

func sampleExamples(ctx context.Context, s *rowformat.Sample, path string, features exampleFeatures, o codec.ReadOptions) (err error) {
	in, err := rowformat.OpenInput(ctx, codec.WholeFile(path), sniffFrames(o))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	f := frames{Input: in}
	for row := int64(0); !s.FileDone(); row++ {
		data, err := f.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return in.Fail(f.at, row, err)
		}
		s.AddRow(len(data))
		if err := features.addRecord(data, o.Schema, s.Bad); err != nil {
			if err = s.SkipBad(in.Fail(f.at, row, rowformat.WholeRow(err))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (messageCodec) starts(ctx context.Context, file store.Info, o codec.ReadOptions) ([]int64, error) {
	return rowformat.Starts(ctx, file.Path, sniffFrames(o))
}

func (messageCodec) open(ctx context.Context, s codec.Split, schema *arrow.Schema, o codec.ReadOptions) (codec.Reader, error) {
	r := rowformat.NewReader(schema, o)
	columns := make([]exampleColumn, schema.NumFields())
	for i, f := range schema.Fields() {
		var err error
		if columns[i], err = newExampleColumn(f, r.Builders[i]); err != nil {
			return nil, fmt.Errorf("files: read %s: %w", s.Path, err)
		}
	}
	in, err := rowformat.OpenInput(ctx, s, sniffFrames(o))
	if err != nil {
		return nil, err
	}
	source := &exampleSource{frames: frames{Input: in}, columns: columns, sampled: o.AllowedColumns()}
	source.recordType, _ = recordTypeOf(o.Options) // schema checked the options
	source.indexColumns()
	r.Source, r.Input = source, in
	if s.Offset > 0 {
		if err := source.seekRecord(); err != nil {
			return nil, errors.Join(in.Fail(in.Offset, -1, err), r.Close())
		}
	}
	return r, nil
}
