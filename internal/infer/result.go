package infer

import "tfos/internal/histogram"

// Result is what a member reports at its end.
type Result struct {
	Model  string   `json:"model"`  // its path
	Digest string   `json:"digest"` // model.Source.Digest
	Made   Identity `json:"made,omitzero"`
	Account
	Splits []SplitResult `json:"splits"`
	// Served are the partitions whose predictions Spark's tasks took.
	Served []ServedPartition `json:"served,omitempty"`
	// BatchRows is the most rows of a run in the end, if they grew or memory was short; of
	// several members the highest. 0: BatchSize of the request.
	BatchRows int64 `json:"batch_rows,omitempty"`
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
	// As PartInfo's; the file's name tells the attempt too.
	Quarantine *QuarantineFile `json:"quarantine,omitempty"`
	FirstBad   *BadRow         `json:"first_bad,omitempty"`
}
