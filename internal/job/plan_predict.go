package job

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// planInference adds what an inference job computes: splits of files, which executors
// read and write, or what Spark reads. Then a Spark job takes the rows through the
// members' engines, and Spark writes.
func (s *Spec) planInference(p *Plan, outputs []work.Output) (err error) {
	switch s.predicts() {
	case infer.Splits:
		request := infer.SplitsRequest{Computation: s.computation(), Output: outputs[0].Staging, Format: files.Format(s.Output.Format)}
		p.Reserve.Infer = &work.Inference{Input: s.inferInput(), Tasks: s.ClusterSize * s.Resources.Worker.Cores}
		p.Reserve.Infer.Request, err = json.Marshal(request)
	case infer.Partitions:
		p.Predict = s.predict(p.Run, outputs)
		p.Predict.Request, err = json.Marshal(s.partitionsRequest(outputs))
		p.Reserve.Infer = &work.Inference{Request: p.Predict.Request}
	}
	if err != nil {
		return fmt.Errorf("job: plan: write inference request: %w", err)
	}
	return nil
}

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
	case s.predicts() != infer.Partitions:
		return ", read and written by executors"
	}
	text := ", read and written by Spark"
	if why := s.sparkReason(&s.Input.Source); why != "" && s.ReadBy == byEither {
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

// predict is what the driver needs where Spark reads and writes.
func (s *Spec) predict(run string, outputs []work.Output) *Predict {
	p := &Predict{
		Name: string(reserve.Predict), Path: s.Input.Path, Table: s.Input.Table, SQL: s.Input.SQL, Options: map[string]string{}, Epochs: 1,
		Output: outputs[0].Staging, OutputAs: s.Output.Format, PartitionBy: append([]string{}, s.Output.PartitionBy...),
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

// computation is how rows go through the model.
func (s *Spec) computation() infer.Computation {
	c := infer.Computation{
		Source: s.model(), Signature: s.SignatureDefKey,
		InputMapping: s.InputMapping.Map(), OutputMapping: s.OutputMapping.Map(), Keep: s.Keep,
		GrowBatch: s.BatchSize == AutoBatch, Threads: s.Resources.Worker.Cores, MaxBad: (*float64)(s.MaxBad),
	}
	if !c.GrowBatch {
		c.BatchSize = int(s.BatchSize)
	}
	c.Constants, c.BinaryOutputs, c.AllowNarrowing, c.PadLastBatch = s.Constants, s.BinaryOutputs, s.AllowNarrowing, s.PadLastBatch
	if s.OnBadRow != string(infer.Fail) { // "" is the same
		c.OnBadRow = infer.BadRows(s.OnBadRow)
	}
	return c
}

// partitionsRequest is what members compute whose rows Spark brings. They write
// nothing but bad rows.
func (s *Spec) partitionsRequest(outputs []work.Output) infer.PartitionsRequest {
	r := infer.PartitionsRequest{Computation: s.computation(), Aside: outputs[0].Aside}
	if s.Output.IfExists == ifResume {
		r.Query, r.PartitionBy = s.Input.Table+s.Input.SQL, s.Output.PartitionBy
		r.InputFormat, r.Options = files.Format(s.Input.Format), s.Input.Options
		r.Format = files.Format(s.Output.Format)
	}
	return r
}
