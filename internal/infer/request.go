package infer

import (
	"encoding/json"
	"fmt"

	"tfos/internal/files"
	"tfos/internal/model"
)

// Kind is a kind of inference: what the rows come in, and who writes predictions.
type Kind string

const (
	// Splits of files, which members read and of which they write the parts: Run.
	Splits Kind = "splits"
	// Partitions of a table or query, whose rows Spark's tasks bring and take back
	// predicted, and Spark writes: Serve.
	Partitions Kind = "partitions"
)

// Request is one member's share of an inference job: a *SplitsRequest or a
// *PartitionsRequest. As JSON it is one object, whose key kind tells which. The
// launcher's plan holds it without splits; internal/work shares those out.
type Request interface{ Kind() Kind }

// Computation is what requests of all kinds have in common: how rows go through the
// model.
type Computation struct {
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
	BatchSize      int                        `json:"batch_size,omitempty"` // rows per Session.Run, where the model takes any number
	// GrowBatch: the rows of a run grow as long as memory lasts and a row gets cheaper, up to
	// MostGrown. BatchSize is ignored then.
	GrowBatch bool    `json:"grow_batch,omitempty"`
	Threads   int     `json:"threads"` // intra-op threads; 0: TensorFlow's choice
	OnBadRow  BadRows `json:"on_bad_row,omitempty"`
	// MaxBad is the share of bad rows in all of the job's, per cent, beyond
	// which it fails; nil: no limit. InputRows are all rows of the job, so that a
	// member knows when they are too many; 0: not known.
	MaxBad    *float64 `json:"max_bad,omitempty"`
	InputRows int64    `json:"input_rows,omitempty"`
	// Records is a folder for the record of each finished part: a Record of a split,
	// a ServedRecord of a partition; "": none is kept. Run is the run that makes it.
	Records string `json:"records,omitempty"`
	Run     string `json:"run,omitempty"`
	// Warn tells the user what is odd; nil: nobody is told.
	Warn func(text string) `json:"-"`
}

// SplitsRequest is the Request of a member that reads splits of files, and writes a
// part for each.
type SplitsRequest struct {
	Computation
	Output string `json:"output,omitempty"` // folder of the parts
	// Tag ends the names of parts, so that those of several runs differ; "": nothing does.
	Tag    string       `json:"tag,omitempty"`
	Format files.Format `json:"format,omitempty"` // of the output
	Input  files.Recipe `json:"input,omitzero"`
	Splits []Split      `json:"splits,omitempty"`
}

// PartitionsRequest is the Request of a member that answers Spark's tasks.
type PartitionsRequest struct {
	Computation
	Aside string `json:"aside,omitempty"` // folder of the quarantine; Spark writes the output
	// What the Identity of an output that resumes has of the job: the table or query
	// that Spark reads ("" for files), the format and settings of its files, and of
	// the output the format and the columns by which it is partitioned.
	Query       string            `json:"query,omitempty"`
	InputFormat files.Format      `json:"input_format,omitempty"`
	Options     map[string]string `json:"options,omitempty"`
	Format      files.Format      `json:"format,omitempty"`
	PartitionBy []string          `json:"partition_by,omitempty"`
}

// Kind implements Request.
func (*SplitsRequest) Kind() Kind { return Splits }

// Kind implements Request.
func (*PartitionsRequest) Kind() Kind { return Partitions }

// MarshalJSON adds the kind.
func (r SplitsRequest) MarshalJSON() ([]byte, error) {
	type plain SplitsRequest
	return json.Marshal(struct {
		Kind Kind `json:"kind"`
		plain
	}{r.Kind(), plain(r)})
}

// MarshalJSON adds the kind.
func (r PartitionsRequest) MarshalJSON() ([]byte, error) {
	type plain PartitionsRequest
	return json.Marshal(struct {
		Kind Kind `json:"kind"`
		plain
	}{r.Kind(), plain(r)})
}

// ParseRequest reads a request. It is the one place that tells their kinds apart.
func ParseRequest(text []byte) (Request, error) {
	var head struct {
		Kind Kind `json:"kind"`
	}
	err := json.Unmarshal(text, &head)
	var request Request
	switch {
	case err != nil:
	case head.Kind == Splits:
		request = new(SplitsRequest)
	case head.Kind == Partitions:
		request = new(PartitionsRequest)
	default:
		err = fmt.Errorf("its kind is %q, and neither %s nor %s", head.Kind, Splits, Partitions)
	}
	if err == nil {
		err = json.Unmarshal(text, request)
	}
	if err != nil {
		return nil, fmt.Errorf("infer: read the inference request: %w", err)
	}
	return request, nil
}

// Mapping is what the request says of how rows go through the model.
func (c *Computation) Mapping() model.Mapping {
	return model.Mapping{
		Inputs: c.InputMapping, Outputs: c.OutputMapping, Keep: c.Keep,
		Constants: c.Constants, BinaryOutputs: c.BinaryOutputs,
		AllowNarrowing: c.AllowNarrowing, PadLastBatch: c.PadLastBatch, ToleratesBadRows: c.toleratesBadRows(),
	}
}

// chooseSignature returns the model's signature that the request runs.
func (c *Computation) chooseSignature() (*model.Signature, error) {
	graph, err := c.Graph()
	if err != nil {
		return nil, err
	}
	return graph.Choose(c.Signature, c.Mapping())
}
