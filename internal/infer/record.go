package infer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tfos/internal/exit"
	"tfos/internal/files"
	"tfos/internal/store"
)

// Stamp tells whether an input file is still what it was when it was listed.
type Stamp struct {
	Size     int64     `json:"input_size"`
	Modified time.Time `json:"input_modified,omitzero"`
}

// StampOf is the stamp of a listed file.
func StampOf(f store.Info) Stamp { return Stamp{f.Size, f.Modified.UTC()} }

// Equal tells whether two stamps are of the same file content, as far as that
// can be seen without reading it.
func (s Stamp) Equal(other Stamp) bool {
	return s.Size == other.Size && s.Modified.Equal(other.Modified)
}

// Record says what made a part. It is written into Request.Records, as JSON, once the
// part is complete and on disk. A part without a record is not known to be complete.
type Record struct {
	Identity Identity    `json:"identity"`
	Split    SplitResult `json:"split"`
}

// PartName is the name of a split's output file.
func PartName(id int, format files.Format) string {
	return fmt.Sprintf("part-%05d%s", id, format.Extension())
}

// RecordName is the name of a part's record.
func RecordName(part string) string { return part + ".json" }

// Split is the piece of input that a part was made of.
func (s SplitResult) Split() Split {
	var out Split
	out.ID, out.Path, out.Offset, out.Length, out.Stamp, out.Partition = s.ID, s.Input, s.Offset, s.Length, s.Stamp, s.Partition
	return out
}

// Files are the names of everything that belongs to a part, in the output's
// folder.
func (s SplitResult) Files() []string {
	var names []string
	if s.Partition == "" {
		names = append(names, s.Output)
	}
	for _, f := range s.Written {
		names = append(names, f.Output)
	}
	if s.Quarantine != nil {
		names = append(names, s.Quarantine.Output)
	}
	return names
}

// Sized are those of Files whose size is known.
func (s SplitResult) Sized() []WrittenFile {
	if s.Partition == "" {
		return []WrittenFile{{s.Output, s.Bytes}}
	}
	return s.Written
}

// Serves tells whether a part may stand in an output whose bad rows are treated
// in this way; one without bad rows may in any.
func (s SplitResult) Serves(way BadRows) bool {
	return (s.Skipped == 0 || way == Skip) && (s.Quarantined == 0 || way == Quarantine)
}

// writeRecord writes the record of a finished split, if the request has a folder for
// records.
func (r *run) writeRecord(ctx context.Context, s SplitResult) error {
	if r.req.Records == "" {
		return nil
	}
	path := r.req.Records + "/" + RecordName(s.Output)
	text, err := json.Marshal(Record{r.identity, s})
	if err == nil {
		err = writeFile(ctx, path, text)
	}
	if err != nil {
		return atFile(exit.Output, "write", path, err)
	}
	return nil
}

// writeFile writes a small file into the store that holds its path.
func writeFile(ctx context.Context, path string, text []byte) error {
	st, err := store.For(path)
	if err != nil {
		return err
	}
	return store.WriteFile(ctx, st, path, text)
}
