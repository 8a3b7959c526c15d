package arrowipc

import (
	"bytes"
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"tfos/internal/files/codec"
	"tfos/internal/store"
)

// Codec reads both forms of Arrow IPC. Both are messages; the file form
// has a footer that says where they are. Files are written in the file form.
//
// Files are split at record batches. A reader looks at the metadata of all
// messages and reads the bodies of its own.
//
// Dictionaries, views, runs, 64-bit offsets and extension types come as plain
// values. A stream without its end mark is taken for a truncated file.
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
	found := r.fields()
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
	r.schema, r.most, r.room = schema, int64(o.BatchRows), o.BatchBytes
	if err := r.match(); err != nil {
		return nil, errors.Join(r.error(err), r.Close())
	}
	return r, nil
}
