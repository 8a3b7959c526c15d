package export

import "tfos/internal/model"

// Request is what a member exports.
type Request struct {
	model.ExportSource
	Signatures model.SignatureChoice `json:"signatures"`
	// Origin is the file that the user named, where Graph was converted from it. "": Graph.
	Origin string `json:"origin,omitempty"`
	Output string `json:"output"` // staging folder, which does not exist
	// Written is the file by which WriteBeside says that the export is written. "": Run
	// writes the export itself.
	Written string `json:"written,omitempty"`
	Threads int    `json:"threads,omitempty"` // of TensorFlow; 0: its choice
}

// Result is what a member has exported.
type Result struct {
	Graph      string      `json:"graph"` // path of the source: the Request's Origin, or the graph
	Checkpoint string      `json:"checkpoint,omitempty"`
	Signatures []Signature `json:"signatures"` // by name
	Files      int         `json:"files"`
	Bytes      int64       `json:"bytes"`
	Notes      []string    `json:"notes,omitempty"`
	WriteTime  float64     `json:"write_seconds"`
	ProofTime  float64     `json:"proof_seconds"`
}

// Signature is a signature of an export.
type Signature struct {
	Name string `json:"name"`
	// Ran says that it ran on zeros; else NotRun says why not.
	Ran    bool   `json:"ran"`
	NotRun string `json:"not_run,omitempty"`
}
