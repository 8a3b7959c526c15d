package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"tfos/internal/store/bucket"
)

// Link implements Store by a copy on the server.
func (o *Objects) Link(ctx context.Context, from, to string) error {
	source, err := o.head(ctx, from)
	if err != nil {
		return err
	}
	if _, err := o.Stat(ctx, to); err == nil {
		return fmt.Errorf("store: link to %s: %w", to, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return o.copy(ctx, source, to, bucket.Condition{Absent: true})
}

// copy copies an object on the server. If the answer of a try was lost, the next finds
// the object that the first has made.
func (o *Objects) copy(ctx context.Context, from bucket.Object, to string, only bucket.Condition) error {
	tries := 0
	err := o.call(ctx, call{"copy to", to}, copyTime(from.Size), func(ctx context.Context) error {
		tries++
		return o.bucket.Copy(ctx, from, o.key(to), only)
	})
	if tries > 1 && errors.Is(err, fs.ErrExist) {
		if there, headErr := o.head(ctx, to); headErr == nil && there.Size == from.Size {
			return nil
		}
	}
	return err
}

// Assemble implements Store. The store copies ranges of at least Limits.MinPart bytes
// itself, if it can. Smaller ones go through this process.
func (o *Objects) Assemble(ctx context.Context, pieces []Piece, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := o.named(path); err != nil {
		return err
	}
	sources, err := o.sources(ctx, pieces)
	if err != nil {
		return fmt.Errorf("store: assemble %s: %w", path, err)
	}
	f := o.create(ctx, path)
	for i, piece := range pieces {
		if err := f.addPiece(sources[i], piece); err != nil {
			return errors.Join(fmt.Errorf("store: assemble %s: %w", path, err), f.Abort())
		}
	}
	return f.Commit()
}

// sources returns the object of each piece.
func (o *Objects) sources(ctx context.Context, pieces []Piece) ([]bucket.Object, error) {
	known := map[string]bucket.Object{}
	sources := make([]bucket.Object, len(pieces))
	for i, p := range pieces {
		object, found := known[p.Path]
		if !found {
			var err error
			if object, err = o.head(ctx, p.Path); err != nil {
				return nil, err
			}
			known[p.Path] = object
		}
		if p.Offset < 0 || p.Size >= 0 && p.Offset+p.Size > object.Size {
			return nil, fmt.Errorf("%s: %d bytes at %d of %d: %w", p.Path, p.Size, p.Offset, object.Size, io.ErrUnexpectedEOF)
		}
		sources[i] = object
	}
	return sources, nil
}

// addPiece appends a piece to the file.
func (f *objectFile) addPiece(from bucket.Object, p Piece) error {
	offset, size := p.Offset, p.Size
	if size < 0 {
		size = from.Size - offset
	}
	limits := f.o.bucket.Limits()
	if least := max(limits.MinPart, 1); limits.MaxCopyPart > 0 && size >= 2*least {
		// What was written before becomes a part, which may need some bytes of the piece.
		if missing := least - int64(len(f.data)); len(f.data) > 0 && missing > 0 {
			if err := f.stream(from, p.Path, offset, missing); err != nil {
				return err
			}
			offset, size = offset+missing, size-missing
		}
		if len(f.data) > 0 {
			if err := f.sendPart(); err != nil {
				return err
			}
		}
		return f.copyParts(from, offset, size, min(limits.MaxCopyPart, copiedPart))
	}
	return f.stream(from, p.Path, offset, size)
}

// copiedPart are the most bytes of a part that the store copies.
const copiedPart = 512 << 20

// copyParts appends a range in parts that the store copies. Parts are of similar size,
// so that none is too small.
func (f *objectFile) copyParts(from bucket.Object, offset, size, most int64) error {
	for parts := (size + most - 1) / most; parts > 0; parts-- {
		at, n := offset, size/parts
		err := f.addPart(copyWait, func(ctx context.Context, number int) error { return f.upload.CopyPart(ctx, number, from, at, n) })
		if err != nil {
			return err
		}
		offset, size = offset+n, size-n
	}
	return nil
}

// copyWait are bytes whose time to send is long enough for the store to copy a part.
const copyWait = 30 << 20

// stream appends a range that comes through this process.
func (f *objectFile) stream(from bucket.Object, path string, offset, size int64) error {
	if size == 0 {
		return nil
	}
	r := &objectReader{ctx: f.ctx, o: f.o, path: path, at: bucket.Range{Offset: offset, Length: size, ETag: from.ETag}}
	_, err := io.CopyN(f, r, size)
	_ = r.Close() // it closes no more than a connection
	return err
}

// appendLarge is Append where the store copies the old bytes.
func (o *Objects) appendLarge(ctx context.Context, path string, there bucket.Object, data []byte) error {
	f := o.create(ctx, path)
	err := f.addPiece(there, Piece{Path: path, Size: there.Size})
	if err == nil {
		_, err = f.Write(data)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store: append to %s: %w", path, err), f.Abort())
	}
	return f.Commit()
}
