package work

import (
	"encoding/json"

	"tfos/internal/infer"
	"tfos/internal/reserve"
)

// Config is the whole configuration of a run: who is in it, and what it has to
// do. In JSON it is one object, of which the reservation server reads its part,
// and Open all.
type Config struct {
	reserve.Config

	Outputs []Output `json:"outputs,omitempty"`
	// ModelDir is a folder that the run has for itself; "": none.
	ModelDir string `json:"model_dir,omitempty"`

	// Infer is what an inference job computes; nil: it is no inference job.
	Infer *Inference `json:"work,omitempty"`
	// Train is the train.Request of a graph program's members; nil: it is no training of
	// a graph program.
	Train json.RawMessage `json:"train,omitempty"`
	// Export is the request of an export job's member; nil: it is no export job.
	// Without these the members run a program.
	Export json.RawMessage `json:"export,omitempty"`
	// Shards are the feeds of a graph program whose files members read themselves.
	Shards []Shard `json:"shards,omitempty"`
}

// Shard is a feed whose files are divided among the members that take it. Each reads
// its share into its own queue.
type Shard struct {
	Feed    string      `json:"feed"`
	Input   infer.Input `json:"input"`
	Columns []string    `json:"columns,omitempty"` // that are read; nil: all
	Readers int         `json:"readers"`           // goroutines that read on each member
}

// Output is an output that members write under Staging and that appears as Final
// only when the run has succeeded. Predictions are written in Final itself where the store
// copies: see place.go.
type Output struct {
	Kind    string `json:"kind"`    // saved_model, export, predictions, results
	Staging string `json:"staging"` // absolute, on the same store as Final
	Final   string `json:"final"`
	// Format is that of the files of predictions, as the job file names it.
	Format string `json:"format,omitempty"`
	// Replace says that an existing Final is replaced; else it is an error.
	Replace bool `json:"replace"`
	// Skip says that a run does nothing if Final is there.
	Skip bool `json:"skip,omitempty"`
	// Resume is a folder beside Final that outlives the run, for the finished
	// parts of predictions: Staging is ResumeStaging in it. Then an existing
	// Final is gone on from. "": the output is made as a whole.
	Resume string `json:"resume,omitempty"`
	// Hold is a folder beside Final, on a store. The run holds the output alone, and
	// Staging is HoldStaging in it: see hold.go. "": nothing is held.
	Hold string `json:"hold,omitempty"`
	// Aside is a folder beside Final where members set aside the bad rows of what
	// Spark writes under Staging: Spark makes that folder, and wants none there.
	// With Resume it is ResumeAside. "" where members write both.
	Aside string `json:"aside,omitempty"`
}

// Temporary are the folders that hold the output while it is not published. With
// Resume they are in that, which is another's to delete.
func (o Output) Temporary() []string {
	if o.Aside == "" {
		return []string{o.Staging}
	}
	return []string{o.Staging, o.Aside}
}

// Inference is an inference job: an infer.Request without splits, whose kind says
// what the rows come in. Of splits there are the input that is divided into them, and
// how many are computed at once; what Spark reads is not divided.
type Inference struct {
	Input   infer.Input     `json:"input,omitzero"`
	Tasks   int             `json:"tasks,omitempty"`
	Request json.RawMessage `json:"request"`
}

// resumes is the output that goes on from what earlier runs have left; nil: none
// does.
func (c Config) resumes() *Output {
	for i, o := range c.Outputs {
		if o.Resume != "" {
			return &c.Outputs[i]
		}
	}
	return nil
}
