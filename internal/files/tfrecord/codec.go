package tfrecord

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/codec"
	"tfos/internal/files/rowformat"
	"tfos/internal/recordio"
	"tfos/internal/store"
)

// Codec is TFRecord files. Records are tf.Examples and tf.SequenceExamples, or
// any bytes if the options say so.
type Codec struct{ messages messageCodec }

// wantsBytes reports whether the options ask for records of any bytes.
func wantsBytes(options map[string]string) (bool, error) {
	t, err := recordTypeOf(options)
	return t == recordBytes, err
}

func (Codec) Extensions() []string { return []string{".tfrecord", ".tfrecords", ".tfrec"} }

func (Codec) Begins(head []byte) bool { return beginsFrame(head) }

func (c Codec) Schema(ctx context.Context, list []store.Info, o codec.ReadOptions) (*arrow.Schema, error) {
	bytes, err := wantsBytes(o.Options)
	if !bytes {
		return c.messages.schema(ctx, list, o)
	}
	if err != nil {
		return nil, err
	}
	schema, err := codec.ApplyDeclared(list[0].Path, arrow.NewSchema([]arrow.Field{{Name: byteArrayColumn, Type: arrow.BinaryTypes.Binary}}, nil), o)
	if err == nil && schema.Field(0).Type.ID() != arrow.BINARY {
		err = fmt.Errorf("files: %s: column %s is declared %s: %w: with %s: %s it is binary", codec.TFRecord, byteArrayColumn, schema.Field(0).Type, codec.ErrType, recordTypeOption, recordBytes)
	}
	return schema, err
}

func (c Codec) Starts(ctx context.Context, file store.Info, o codec.ReadOptions) ([]int64, error) {
	return c.messages.starts(ctx, file, o)
}

func (c Codec) Open(ctx context.Context, s codec.Split, schema *arrow.Schema, o codec.ReadOptions) (codec.Reader, error) {
	if bytes, _ := wantsBytes(o.Options); !bytes { // Schema checked the options
		return c.messages.open(ctx, s, schema, o)
	}
	in, err := rowformat.OpenInput(ctx, s, sniffFrames(o))
	if err != nil {
		return nil, err
	}
	r := rowformat.NewReader(schema, o)
	source := &recordSource{frames: frames{Input: in}, columns: r.Builders}
	r.Source, r.Input = source, in
	if s.Offset > 0 {
		if err := source.seekRecord(); err != nil {
			return nil, errors.Join(in.Fail(in.Offset, -1, err), r.Close())
		}
	}
	return r, nil
}

func (c Codec) Create(w io.Writer, schema *arrow.Schema, o codec.WriteOptions) (codec.Writer, error) {
	bytes, err := wantsBytes(o.Options)
	if !bytes {
		return c.messages.create(w, schema, o)
	}
	if err != nil {
		return nil, err
	}
	if schema.NumFields() != 1 || schema.Field(0).Type.ID() != arrow.BINARY {
		return nil, fmt.Errorf("files: write tfrecord: %w: with %s: %s there must be one column, of type binary, and there are: %s",
			codec.ErrType, recordTypeOption, recordBytes, columnTypes(schema))
	}
	packed, err := rowformat.Compressor(w, o.Compression, rowformat.Gzipped, rowformat.ZlibPacked)
	if err != nil {
		return nil, fmt.Errorf("files: write tfrecord: %w", err)
	}
	buffer := bufio.NewWriterSize(packed, rowformat.StreamBytes)
	return &recordWriter{frames: frameWriter{recordio.NewWriter(buffer)}, buffer: buffer, packed: packed}, nil
}
