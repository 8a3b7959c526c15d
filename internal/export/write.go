package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"

	"tfos/internal/exit"
	"tfos/internal/model"
	"tfos/internal/store"
)

// Error says why an export could not be written.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("export: write %s: %v", e.Path, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// ExitCode is 7: the output could not be written.
func (e *Error) ExitCode() exit.Code { return exit.Output }

// write writes an export into a folder of s, which it makes. Errors are *Error.
func write(ctx context.Context, s store.Store, e *model.Export, folder string) error {
	if err := writeFiles(ctx, s, e, folder); err != nil {
		return &Error{folder, err}
	}
	return nil
}

func writeFiles(ctx context.Context, s store.Store, e *model.Export, folder string) error {
	made := map[string]bool{}
	parent := func(name string) (string, error) {
		to := folder + "/" + name
		if dir := path.Dir(to); !made[dir] {
			made[dir] = true
			return to, s.Mkdir(ctx, dir)
		}
		return to, nil
	}
	for _, f := range e.Files {
		to, err := parent(f.To)
		if err != nil {
			return err
		}
		from, err := filepath.EvalSymlinks(f.From) // a link to a relative link would lead nowhere
		if err != nil {
			return err
		}
		if err := s.Link(ctx, from, to); err != nil {
			return err
		}
	}
	if e.SavedModel != nil {
		to, err := parent("saved_model.pb")
		if err == nil {
			err = store.WriteFile(ctx, s, to, e.SavedModel)
		}
		if err != nil {
			return err
		}
	}
	if e.Values == nil {
		return nil
	}
	to, err := parent("variables/variables")
	if err != nil {
		return err
	}
	if err := writeData(ctx, s, e.Values.Data, to+".data-00000-of-00001"); err != nil {
		return err
	}
	return store.WriteFile(ctx, s, to+".index", e.Values.Index)
}

// writeData writes a file of pieces of other files.
func writeData(ctx context.Context, s store.Store, pieces []model.Piece, to string) (err error) {
	file, err := s.Create(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Abort()) }()
	for _, p := range join(pieces) {
		if err := writePiece(ctx, s, p, file); err != nil {
			return err
		}
	}
	return file.Commit()
}

// join makes one piece of pieces that lie behind each other in one file.
func join(pieces []model.Piece) []model.Piece {
	var joined []model.Piece
	for _, p := range pieces {
		if n := len(joined); n > 0 && joined[n-1].Path == p.Path && joined[n-1].Offset+joined[n-1].Size == p.Offset {
			joined[n-1].Size += p.Size
			continue
		}
		joined = append(joined, p)
	}
	return joined
}

func writePiece(ctx context.Context, s store.Store, p model.Piece, to io.Writer) error {
	from, err := s.ReadRange(ctx, p.Path, p.Offset, p.Size)
	if err != nil {
		return err
	}
	n, err := io.Copy(to, from)
	if err == nil && n < p.Size {
		err = fmt.Errorf("%s: %w", p.Path, io.ErrUnexpectedEOF)
	}
	return errors.Join(err, from.Close())
}
