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

// Record says what made the part of a split. It is written into Computation.Records,
// as JSON, once the part is complete and on disk. A part without a record is not known
// to be complete.
type Record struct {
	Identity Identity    `json:"identity"`
	Split    SplitResult `json:"split"`
}

// ServedRecord is the record of a partition: a task has brought all its rows, its bad
// rows are set aside, and the task has not been told yet that these were all. Whether
// Spark has written the predictions is for others to find out, and what else made them
// is the same for the whole run.
type ServedRecord struct {
	Digest string `json:"digest"` // of the model
	// Part has its Partition only once a later run has taken it over: the engine
	// does not know it.
	Part PartitionResult `json:"split"`
}

// PartName is the name of a split's output file. tag is SplitsRequest.Tag.
func PartName(id int, tag string, format files.Format) string {
	if tag != "" {
		tag = "-" + tag
	}
	return fmt.Sprintf("part-%05d%s%s", id, tag, format.Extension())
}

// RecordName is the name of a part's record.
func RecordName(part string) string { return part + ".json" }

// writeRecord writes the record of a finished part, if the request has a folder for
// records.
func (r *run) writeRecord(ctx context.Context, part string, record any) error {
	if r.req.Records == "" {
		return nil
	}
	path := r.req.Records + "/" + RecordName(part)
	text, err := json.Marshal(record)
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
