package infer

import (
	"context"
	"errors"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/model"
)

// Input is the data of an inference job.
type Input struct {
	Format  files.Format      `json:"format"`
	Path    string            `json:"path"` // file, folder or glob
	Options map[string]string `json:"options,omitempty"`
	Folders files.FolderRules `json:"folders,omitzero"`

	// Warn is as in files.ReadOptions.
	Warn func(text string) `json:"-"`
}

// Open lists the data's files and learns their columns. Rows that are none come
// when they are read, as what they are.
func (in Input) Open(ctx context.Context) (*files.Dataset, error) {
	return files.Open(ctx, in.Format, in.Path, files.ReadOptions{Options: in.Options, Folders: in.Folders, Warn: in.Warn, BadRows: true})
}

// Plan cuts the data into splits for so many tasks at once, numbered in the
// order of their rows, and says how they are read.
func (in Input) Plan(ctx context.Context, tasks int) (files.Recipe, []Split, error) {
	data, err := in.Open(ctx)
	if err != nil {
		return files.Recipe{}, nil, err
	}
	recipe, err := data.Recipe()
	if err != nil {
		return files.Recipe{}, nil, err
	}
	splits, err := Cut(ctx, data, data.SplitBytes(tasks), 0)
	return recipe, splits, err
}

// Cut cuts data into splits of about so many bytes (0: of a whole file), numbered
// from first in the order of their rows.
func Cut(ctx context.Context, data *files.Dataset, bytes int64, first int) ([]Split, error) {
	pieces, err := data.Splits(ctx, bytes)
	if err != nil {
		return nil, err
	}
	stamps := map[string]Stamp{}
	for _, f := range data.Files() {
		stamps[f.Path] = StampOf(f)
	}
	splits := make([]Split, len(pieces))
	for i, piece := range pieces {
		splits[i] = Split{ID: first + i, Split: piece, Stamp: stamps[piece.Path]}
	}
	return splits, nil
}

// Fit returns the data as the signature's inputs take it: numbers of formats
// that only guess types are read as the tensors' types.
func Fit(signature *model.Signature, data *files.Dataset, mapping map[string]string, keep []string) *files.Dataset {
	if !data.Format().Guessed() {
		return data
	}
	return data.Retype(model.ColumnTypes(signature, data.Schema(), mapping, keep))
}

// InputExitCode is the exit code that an error of Open or Plan stands for: its
// own, 6 when a file cannot be understood, 2 when there is none, or an option is
// wrong.
func InputExitCode(err error) exit.Code {
	var data *files.Error
	if errors.As(err, &data) {
		return exit.CodeOf(err, exit.BadData)
	}
	return exit.CodeOf(err, exit.Usage)
}

// failed tells a file that cannot be understood from one that cannot be
// reached.
func failed(path string, err error) error {
	code := exit.Failed
	var data *files.Error
	if errors.As(err, &data) {
		code = exit.BadData
	}
	return atFile(code, "read", path, err)
}
