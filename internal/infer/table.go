package infer

import (
	"context"
	"encoding/json"
	"fmt"

	"tfos/internal/exit"
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

// WrittenFile is a file that Spark wrote of a partition.
type WrittenFile struct {
	Output string `json:"output"` // in the output's folder: day=1/part-00007-….parquet
	Bytes  int64  `json:"bytes"`
}

// ServedRecord is written into Request.Records, as JSON, when a task has brought
// all rows of a partition, its bad rows are set aside, and before it is told that
// these were all. Whether Spark has written the predictions is for others to find
// out, and what else made them is the same for the whole run.
type ServedRecord struct {
	Digest string `json:"digest"` // of the model
	// Split has its Partition only once a later run has taken it over: the engine
	// does not know it.
	Split SplitResult `json:"split"`
}

// PartitionName stands for a partition where a split has PartName.
func PartitionName(id int) string { return fmt.Sprintf("partition-%05d", id) }

// IdentifyTable is Identify for what Spark reads and writes.
func (r Request) IdentifyTable(ctx context.Context, t Table) (Identity, error) {
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
	id.Query, id.PartitionBy, id.Plan, id.Settings = r.Query, r.PartitionBy, t.Plan, t.Settings
	for _, name := range bind.Columns() {
		id.Schema = append(id.Schema, typed(schema.Field(schema.FieldIndices(name)[0])))
	}
	id.Digest, err = r.Digest()
	return id, err
}

// writePartitionRecord writes the record of a partition whose task has sent all rows,
// if the request has a folder for records.
func (p *serving) writePartitionRecord(ctx context.Context) error {
	if p.req.Records == "" {
		return nil
	}
	path := p.req.Records + "/" + RecordName(PartitionName(p.in.Partition))
	split := SplitResult{ID: p.in.Partition, Account: p.rows, Run: p.req.Run, Quarantine: p.quarantineFile, FirstBad: p.first}
	text, err := json.Marshal(ServedRecord{p.server.digest, split})
	if err == nil {
		err = writeFile(ctx, path, text)
	}
	if err != nil {
		return atFile(exit.Output, "write", path, err)
	}
	return nil
}
