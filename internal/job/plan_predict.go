package job

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/work"
)

// Inference over what Spark reads: a Spark job takes the rows through the
// members' engines, and Spark writes.

// feedPredict is the feed of such a job.
const feedPredict = "predict"

// Predict is what the driver has Spark read, predict and write.
type Predict struct {
	Name        string            `json:"name"`   // of the feed
	Format      string            `json:"format"` // "" for a table or a query
	Path        string            `json:"path"`
	Table       string            `json:"table"`
	SQL         string            `json:"sql"`
	Options     map[string]string `json:"options"`
	Epochs      int               `json:"epochs"` // 1
	Request     json.RawMessage   `json:"request"`
	Output      string            `json:"output"`           // staging folder
	Resume      bool              `json:"resume,omitempty"` // only the partitions that no earlier run has finished
	OutputAs    string            `json:"output_format"`
	PartitionBy []string          `json:"partition_by"`
}

// explainReader is who reads and writes, for the dry run; "" where there is one
// machine only.
func (s *Spec) explainReader() string {
	switch {
	case !s.Where().Spark():
		return ""
	case !s.sparkPredicts():
		return ", read and written by executors"
	}
	text := ", read and written by Spark"
	if why := s.sparkReason(); why != "" && s.ReadBy == byEither {
		text += ", because " + why
	}
	return text
}

// explainPartitions says how Spark lays the output out, "" for one folder.
func (s *Spec) explainPartitions() string {
	if s.Output == nil || len(s.Output.PartitionBy) == 0 {
		return ""
	}
	return ", partitioned by " + strings.Join(s.Output.PartitionBy, ", ")
}

// predict is what the driver needs where Spark reads and writes; nil elsewhere.
func (s *Spec) predict(run string, inference *work.Inference, outputs []work.Output) *Predict {
	if !s.sparkPredicts() {
		return nil
	}
	p := &Predict{
		Name: feedPredict, Path: s.Input.Path, Table: s.Input.Table, SQL: s.Input.SQL, Options: map[string]string{}, Epochs: 1,
		Request: inference.Request, Output: outputs[0].Staging, OutputAs: s.Output.Format, PartitionBy: append([]string{}, s.Output.PartitionBy...),
	}
	if p.Path != "" {
		p.Format = s.Input.Format
	}
	if o := outputs[0]; o.Resume != "" {
		p.Resume, p.Output = true, work.ResumeWritten(o.Resume, run)
	}
	maps.Copy(p.Options, s.Input.Options)
	return p
}

// request is what members compute, without their splits.
func (s *Spec) request() infer.Request {
	r := infer.Request{
		Source: s.model(), Signature: s.SignatureDefKey,
		InputMapping: s.InputMapping.Map(), OutputMapping: s.OutputMapping.Map(), Keep: s.Keep,
		BatchSize: s.BatchSize, Threads: s.Resources.Worker.Cores, MaxBad: (*float64)(s.MaxBad),
	}
	r.Constants, r.BinaryOutputs, r.AllowNarrowing, r.PadLastBatch = s.Constants, s.BinaryOutputs, s.AllowNarrowing, s.PadLastBatch
	if s.OnBadRow != string(infer.Fail) { // "" is the same
		r.OnBadRow = infer.BadRows(s.OnBadRow)
	}
	return r
}

// answeredWork is the work of members whose rows Spark brings. They write nothing
// but bad rows.
func (s *Spec) answeredWork(outputs []work.Output) (*work.Inference, error) {
	request := s.request()
	request.Feed, request.Output = feedPredict, outputs[0].Aside
	if s.Output.IfExists == ifResume {
		request.Query, request.PartitionBy = s.Input.Table+s.Input.SQL, s.Output.PartitionBy
		request.Input = files.Recipe{Format: files.Format(s.Input.Format), Options: s.Input.Options}
		request.Format = files.Format(s.Output.Format)
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("job: plan: write inference request: %w", err)
	}
	return &work.Inference{Request: text}, nil
}
