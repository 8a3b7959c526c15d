package export

import (
	"context"
	"fmt"
	"maps"
	"slices"

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
		if dir := store.Dir(to); !made[dir] {
			made[dir] = true
			return to, s.Mkdir(ctx, dir)
		}
		return to, nil
	}
	small := map[string][]byte{} // first: to sync them later would wait for the large ones
	if e.SavedModel != nil {
		small[model.SavedModelFile] = e.SavedModel
	}
	if e.Values != nil {
		small[variablesName+".index"] = e.Values.Index
	}
	for _, name := range slices.Sorted(maps.Keys(small)) {
		to, err := parent(name)
		if err == nil {
			err = store.WriteFile(ctx, s, to, small[name])
		}
		if err != nil {
			return err
		}
	}
	for _, f := range e.Files {
		to, err := parent(f.To)
		if err == nil {
			err = s.Assemble(ctx, []store.Piece{{Path: f.From, Size: -1}}, to)
		}
		if err != nil {
			return err
		}
	}
	if e.Values == nil {
		return nil
	}
	return s.Assemble(ctx, join(e.Values.Data), folder+"/"+variablesName+".data-00000-of-00001")
}

// variablesName is the name of a SavedModel's checkpoint, in its folder.
const variablesName = "variables/variables"

// join makes one piece of pieces that lie behind each other in one file.
func join(pieces []model.Piece) []store.Piece {
	var joined []store.Piece
	for _, p := range pieces {
		if n := len(joined); n > 0 && joined[n-1].Path == p.Path && joined[n-1].Offset+joined[n-1].Size == p.Offset {
			joined[n-1].Size += p.Size
			continue
		}
		joined = append(joined, store.Piece(p))
	}
	return joined
}
