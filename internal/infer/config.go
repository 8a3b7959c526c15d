package infer

import (
	"encoding/json"

	"tfos/internal/files"
	"tfos/internal/histogram"
	"tfos/internal/model"
)

// Request is one member's share of an inference job, as JSON. The launcher's
// plan holds it without Splits; the reservation server shares those out.
type Request struct {
	model.Source
	Signature string `json:"signature"` // signature_def_key
	// InputMapping is column -> signature alias; OutputMapping is signature
	// alias -> column. Empty: columns and aliases have the same names. In an
	// alias's place may stand a tensor of the graph (model.MetaGraph.Choose).
	InputMapping  map[string]string `json:"input_mapping,omitempty"`
	OutputMapping map[string]string `json:"output_mapping,omitempty"`
	Keep          []string          `json:"keep,omitempty"` // columns copied beside the predictions, in this order, first
	// Constants are inputs that have one value for all rows; BinaryOutputs are
	// string tensors that become binary columns. See model.Mapping.
	Constants      map[string]json.RawMessage `json:"constants,omitempty"`
	BinaryOutputs  []string                   `json:"binary_outputs,omitempty"`
	AllowNarrowing bool                       `json:"allow_narrowing,omitempty"`
	PadLastBatch   bool                       `json:"pad_last_batch,omitempty"`
	BatchSize      int                        `json:"batch_size"`       // rows per Session.Run, where the model takes any number
	Threads        int                        `json:"threads"`          // intra-op threads; 0: TensorFlow's choice
	Output         string                     `json:"output,omitempty"` // staging folder; with Feed of the quarantine alone
	Format         files.Format               `json:"format,omitempty"` // of the output
	OnBadRow       BadRows                    `json:"on_bad_row,omitempty"`
	// MaxBad is the share of bad rows in all of the job's, per cent, beyond
	// which it fails; nil: no limit. InputRows are all rows of the job, so that a
	// member knows when they are too many; 0: not known.
	MaxBad    *float64     `json:"max_bad,omitempty"`
	InputRows int64        `json:"input_rows,omitempty"`
	Input     files.Recipe `json:"input,omitzero"`
	Splits    []Split      `json:"splits,omitempty"`
	// Records is a folder for a Record of each finished split; "": none is kept.
	Records string `json:"records,omitempty"`
	Run     string `json:"run,omitempty"` // for SplitResult.Run
	// Feed names the feed whose rows Spark's tasks bring and take back
	// predicted: there are no splits then, and Spark writes (Serve).
	Feed string `json:"feed,omitempty"`
	// Query is the table or query that Spark reads, "" for files; PartitionBy are
	// the columns by which it partitions the output. Of Input its Format and Options
	// are filled in then.
	Query       string   `json:"query,omitempty"`
	PartitionBy []string `json:"partition_by,omitempty"`
}

// Mapping is what the request says of how rows go through the model.
func (r *Request) Mapping() model.Mapping {
	return model.Mapping{
		Inputs: r.InputMapping, Outputs: r.OutputMapping, Keep: r.Keep,
		Constants: r.Constants, BinaryOutputs: r.BinaryOutputs,
		AllowNarrowing: r.AllowNarrowing, PadLastBatch: r.PadLastBatch, SparesRows: r.toleratesBadRows(),
	}
}

// Split is a piece of input that one member reads and writes as one output
// file.
type Split struct {
	ID int `json:"id"` // names the output: part-00007.parquet
	files.Split
	Stamp // of the file
	// Partition is a digest of what a partition of Spark's reads, one of
	// Table.Partitions: it stands for the split's file then. ID is its number.
	Partition string `json:"partition,omitempty"`
}

// Result is what a member reports at its end.
type Result struct {
	Model  string   `json:"model"`  // its path
	Digest string   `json:"digest"` // model.Source.Digest
	Made   Identity `json:"made,omitzero"`
	Account
	Splits []SplitResult `json:"splits"`
	// Served are the partitions whose predictions Spark's tasks took, by member.
	// In the sum of all members alone are Partitions, how many they are, and
	// BadPartitions, those of them that have bad rows, in their order.
	Served        []ServedPartition `json:"served,omitempty"`
	Partitions    int               `json:"partitions,omitempty"`
	BadPartitions []ServedPartition `json:"bad_partitions,omitempty"`
	// LoadedMS is when the model was loaded, in milliseconds since 1970; of
	// several members the last one's.
	LoadedMS int64 `json:"loaded_ms"`
	// Seconds spent by stage, summed over goroutines.
	LoadSeconds    float64 `json:"load_seconds"`
	ReadSeconds    float64 `json:"read_seconds"`
	ComputeSeconds float64 `json:"compute_seconds"`
	WriteSeconds   float64 `json:"write_seconds"`
	// Seconds from the loaded model to the last file, and how many of them the
	// average split's computing stage waited for rows.
	Seconds     float64 `json:"seconds"`
	WaitSeconds float64 `json:"wait_seconds"`
	// Steps has the durations of batches in the computing stages.
	Steps histogram.Durations `json:"steps,omitempty"`
	// Carried are parts of earlier runs, which are in the output and in none
	// of the numbers above.
	Carried *Carried `json:"carried,omitempty"`
	// Kept is how many splits the next run need not compute, if this one fails:
	// at least, for a task that has not ended yet may finish its own.
	Kept int `json:"kept_splits,omitempty"`
}

// Carried counts the parts that a run took over instead of computing them.
type Carried struct {
	Splits int `json:"splits"`
	Account
}

// SplitResult is one line of the output's manifest.
type SplitResult struct {
	ID     int    `json:"id"`
	Input  string `json:"input,omitempty"`
	Offset int64  `json:"offset"`           // of the split in the input
	Length int64  `json:"length"`           // in bytes
	Output string `json:"output,omitempty"` // file name
	Account
	Bytes  int64  `json:"bytes"`            // of the output file
	SHA256 string `json:"sha256,omitempty"` // of it
	Run    string `json:"run,omitempty"`    // that made it
	Stamp         // of the input file
	// Quarantine is the file of the bad rows, FirstBad the first of them; nil: none.
	Quarantine *QuarantineFile `json:"quarantine,omitempty"`
	FirstBad   *BadRow         `json:"first_bad,omitempty"`
	// Partition is Split.Partition. Where it is not "" Spark has written the part,
	// into any number of files, and Input, Output and Stamp say nothing; Bytes are
	// those of all files.
	Partition string        `json:"partition,omitempty"`
	Written   []WrittenFile `json:"written,omitempty"`
}

// QuarantineFile is the parquet file of a split's bad rows.
type QuarantineFile struct {
	Output string `json:"output"` // in the output folder: _quarantine/part-00007.parquet
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// ServedPartition is one attempt of Spark's at a partition, of which a task took
// all predictions. A later attempt (a higher number) takes its place.
type ServedPartition struct {
	Partition int   `json:"partition"`
	Attempt   int64 `json:"attempt"`
	Account
	// As SplitResult's; the file's name tells the attempt too.
	Quarantine *QuarantineFile `json:"quarantine,omitempty"`
	FirstBad   *BadRow         `json:"first_bad,omitempty"`
}
