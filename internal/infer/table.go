package infer

import (
	"context"
	"fmt"

	"tfos/internal/files"
	"tfos/internal/model"
)

// Table is what Spark reads of files, as its driver describes it.
type Table struct {
	Schema []byte `json:"schema"` // Arrow IPC schema message, of all columns
	// Plan is a digest of how Spark makes the rows of the files' rows, Settings are
	// those of Spark's that change what rows are.
	Plan     string            `json:"plan"`
	Settings map[string]string `json:"settings"`
	// Partitions are digests of the pieces of files, as they are now, that each
	// partition reads, in the order of partitions.
	Partitions []string `json:"partitions"`
}

// PartitionName stands for a partition where a split has PartName.
func PartitionName(id int) string { return fmt.Sprintf("partition-%05d", id) }

// Identify is the function Identify for what Spark reads and writes.
func (r *PartitionsRequest) Identify(ctx context.Context, t Table) (Identity, error) {
	signature, err := r.chooseSignature()
	if err != nil {
		return Identity{}, err
	}
	schema, err := files.DecodeSchema(t.Schema)
	if err != nil {
		return Identity{}, fmt.Errorf("infer: read the table's schema: %w", err)
	}
	bind, err := model.Check(signature, schema, r.Mapping())
	if err != nil {
		return Identity{}, err
	}
	if err := ctx.Err(); err != nil {
		return Identity{}, err
	}
	id := r.boundIdentity(bind)
	id.Kind, id.Format, id.InputFormat, id.Options = Partitions, r.Format, r.InputFormat, r.Options
	id.Query, id.PartitionBy, id.Plan, id.Settings = r.Query, r.PartitionBy, t.Plan, t.Settings
	for _, name := range bind.Columns() {
		id.Schema = append(id.Schema, typed(schema.Field(schema.FieldIndices(name)[0])))
	}
	id.Digest, err = r.Digest()
	return id, err
}

// writeRecord writes the record of a partition whose task has sent all rows, if the
// request has a folder for records.
func (s *streamWriter) writeRecord(ctx context.Context) error {
	id := s.to.Partition
	made := PartitionResult{PartInfo: PartInfo{ID: id, Account: s.rows, Run: s.req.Run, Quarantine: s.quarantineFile, FirstBad: s.first}}
	return s.run.writeRecord(ctx, PartitionName(id), ServedRecord{s.digest, made})
}
