package task

import (
	"context"

	"tfos/internal/files"
)

// Input is files that feed tasks shall read themselves.
type Input struct {
	Format  files.Format      `json:"format"`
	Path    string            `json:"path"` // file, folder or glob
	Options map[string]string `json:"options"`
	Columns []string          `json:"columns"` // null: every column
	Folders files.FolderRules `json:"folders"`
	Slots   int               `json:"slots"` // tasks that run at once
}

// Partitions is an Input as feed tasks take it: one of them per partition.
type Partitions struct {
	Files      files.Recipe    `json:"files"`
	Partitions [][]files.Split `json:"partitions"`
}

// Plan looks at the files of an Input and shares them out.
func Plan(ctx context.Context, in Input) (Partitions, error) {
	data, err := in.open(ctx)
	if err != nil {
		return Partitions{}, err
	}
	recipe, err := data.Recipe()
	if err != nil {
		return Partitions{}, err
	}
	size := data.SplitBytes(in.Slots)
	splits, err := data.Splits(ctx, size)
	if err != nil {
		return Partitions{}, err
	}
	return Partitions{recipe, pack(splits, size)}, nil
}

func (in Input) open(ctx context.Context) (*files.Dataset, error) {
	return files.Open(ctx, in.Format, in.Path, files.ReadOptions{Columns: in.Columns, Options: in.Options, Folders: in.Folders})
}

// pack puts consecutive splits together while they cost no more than size.
func pack(splits []files.Split, size int64) [][]files.Split {
	var out [][]files.Split
	var cost int64
	for _, s := range splits {
		if len(out) == 0 || cost+s.Length > size {
			out, cost = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], s)
		cost += s.Length + files.OpenBytes
	}
	return out
}
