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
	"tfos/internal/store"
)

// Codec is TFRecord files: of bytes where the options say so, else of
// messages with features.
type Codec struct{ messages messageCodec }

// raw tells whether the options ask for bytes.
func raw(options map[string]string) (bool, error) {
	t, err := recordTypeOf(options)
	return t == recordBytes, err
}

func (Codec) Extensions() []string { return []string{".tfrecord", ".tfrecords", ".tfrec"} }

func (Codec) Begins(head []byte) bool { return beginsFrame(head) }

func (c Codec) Schema(ctx context.Context, list []store.Info, o codec.ReadOptions) (*arrow.Schema, error) {
	bytes, err := raw(o.Options)
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
	if bytes, _ := raw(o.Options); !bytes { // schema has looked
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
		if err := source.sync(); err != nil {
			return nil, errors.Join(in.Fail(in.Offset, -1, err), r.Close())
		}
	}
	return r, nil
}

func (c Codec) Create(w io.Writer, schema *arrow.Schema, o codec.WriteOptions) (codec.Writer, error) {
	bytes, err := raw(o.Options)
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
	return &recordWriter{frames: frameWriter{w: buffer}, buffer: buffer, packed: packed}, nil
}
