package infer

import (
	"fmt"

	"tfos/internal/feed/files"
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
	Keep          []string          `json:"keep,omitempty"`   // columns copied beside the predictions, in this order, first
	BatchSize     int               `json:"batch_size"`       // rows per Session.Run
	Threads       int               `json:"threads"`          // intra-op threads; 0: TensorFlow's choice
	Output        string            `json:"output,omitempty"` // staging folder
	Format        files.Format      `json:"format,omitempty"` // of the output
	Input         files.Recipe      `json:"input,omitzero"`
	Splits        []Split           `json:"splits,omitempty"`
	// Feed names the feed whose rows Spark's tasks bring and take back
	// predicted: there are no splits and no output then (Serve).
	Feed string `json:"feed,omitempty"`
}

// Split is a piece of input that one member reads and writes as one output
// file.
type Split struct {
	ID int `json:"id"` // names the output: part-00007.parquet
	files.Split
}

// place is the split as a message has it: rows are counted from there.
func (s Split) place() string {
	if s.Offset == 0 {
		return s.Path
	}
	return fmt.Sprintf("%s, from byte %d", s.Path, s.Offset)
}

// Result is what a member reports at its end.
type Result struct {
	Model  string        `json:"model"`  // its path
	Digest string        `json:"digest"` // model.Source.Digest
	Rows   int64         `json:"rows"`
	Splits []SplitResult `json:"splits"`
	// Served are the partitions whose predictions Spark's tasks took, by member;
	// Partitions is how many they are, in the sum of all members alone.
	Served     []ServedPartition `json:"served,omitempty"`
	Partitions int               `json:"partitions,omitempty"`
	// Seconds spent by stage, summed over goroutines.
	LoadSeconds    float64 `json:"load_seconds"`
	ReadSeconds    float64 `json:"read_seconds"`
	ComputeSeconds float64 `json:"compute_seconds"`
	WriteSeconds   float64 `json:"write_seconds"`
	// Seconds from the loaded model to the last file, and how many of them the
	// average split's computing stage waited for rows.
	Seconds     float64 `json:"seconds"`
	WaitSeconds float64 `json:"wait_seconds"`
	// Steps counts the durations of batches in the computing stages: bucket b
	// holds those of about 1.1^b microseconds.
	Steps map[int]int64 `json:"steps,omitempty"`
}

// SplitResult is one line of the output's manifest.
type SplitResult struct {
	ID     int    `json:"id"`
	Input  string `json:"input"`
	Offset int64  `json:"offset"` // of the split in the input
	Length int64  `json:"length"` // in bytes
	Output string `json:"output"` // file name
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"` // of the output file
}

// ServedPartition is one attempt of Spark's at a partition, of which a task took
// all predictions. A later attempt (a higher number) takes its place.
type ServedPartition struct {
	Partition int   `json:"partition"`
	Attempt   int64 `json:"attempt"`
	Rows      int64 `json:"rows"`
}
