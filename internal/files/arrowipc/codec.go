package arrowipc

import (
	"bytes"
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/codec"
	"tfos/internal/store"
)

// Codec reads both formats of Arrow IPC, file and stream. Both are sequences of
// messages; the file format has a footer with their offsets. Files are written
// in the file format.
//
// A file is split at record batches. A reader reads the metadata of all
// messages, and the bodies of its own.
//
// Dictionaries, views, runs, 64-bit offsets and extension types become plain
// values. A stream without its end marker is an error, because it may be
// truncated.
type Codec struct{}

func (Codec) Extensions() []string {
	return []string{".arrow", ".arrows", ".feather", ".ipc"}
}

func (Codec) Begins(head []byte) bool {
	return bytes.HasPrefix(head, []byte(magic)) || bytes.HasPrefix(head, []byte(featherMagic))
}

func (Codec) Schema(ctx context.Context, files []store.Info, o codec.ReadOptions) (*arrow.Schema, error) {
	if err := codec.NoOptions(codec.Arrow, o.Options); err != nil {
		return nil, err
	}
	r, err := openReader(ctx, codec.Split{Path: files[0].Path}, o)
	if err != nil {
		return nil, err
	}
	found := r.plainSchema()
	if err := r.Close(); err != nil {
		return nil, err
	}
	return codec.ApplyDeclared(files[0].Path, found, o)
}

func (Codec) Starts(context.Context, store.Info, codec.ReadOptions) ([]int64, error) { return nil, nil }

func (Codec) Open(ctx context.Context, s codec.Split, schema *arrow.Schema, o codec.ReadOptions) (codec.Reader, error) {
	r, err := openReader(ctx, s, o)
	if err != nil {
		return nil, err
	}
	r.schema, r.maxRows, r.maxBytes = schema, int64(o.BatchRows), o.BatchBytes
	if err := r.findColumns(); err != nil {
		return nil, errors.Join(r.error(err), r.Close())
	}
	return r, nil
}
