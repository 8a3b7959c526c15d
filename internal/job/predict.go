package job

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/work"
)

// Inference over what Spark reads: a Spark job takes the rows through the
// members' engines, and Spark writes.

// feedPredict is the feed of such a job.
const feedPredict = "predict"

// sparkFormats are those of our output formats, and of Spark's, that Spark has
// by itself.
var sparkFormats = []string{"parquet", "json", "csv", "orc"}

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

// sparkPredicts tells whether Spark reads the rows of an inference job and
// writes its predictions.
func (s *Spec) sparkPredicts() bool {
	return s.kind == Infer && s.readBy(&s.Input.Source) == bySpark
}

// sparkTasks tells whether Spark's tasks run beside members.
func (s *Spec) sparkTasks() bool { return s.sparkFed() || s.sparkPredicts() }

// sparkReason is why Spark alone can do an inference job, "" when executors can.
func (s *Spec) sparkReason() string {
	in := s.Input.Source
	switch {
	case in.Table != "":
		return "input is a table"
	case in.SQL != "":
		return "input is a query"
	case IsURL(in.Path):
		return "input.path is a URL"
	case in.Path != "" && in.Format != "" && !files.Format(in.Format).Known():
		return "tfos does not read " + in.Format + " itself"
	case s.Output != nil && len(s.Output.PartitionBy) > 0:
		return "output.partition_by is given"
	}
	return ""
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

// partitioned checks output.partition_by.
func (r *rules) partitioned() {
	s := r.s
	by := s.Output.PartitionBy
	if len(by) == 0 {
		if s.source.given("output.partition_by") {
			r.broken("output.partition_by", "", "must name at least one column in keep")
		}
		return
	}
	if !s.sparkPredicts() {
		r.broken("output.partition_by", strings.Join(by, ", "), "needs read_by: spark")
	}
	for i, column := range by {
		at := indexed("output.partition_by", i)
		if !slices.Contains(s.Keep, column) {
			r.broken(at, column, "must be a column in keep")
		}
		if slices.Contains(by[:i], column) {
			r.broken(at, column, "is named twice")
		}
		if s.Output.IfExists == ifResume && strings.HasPrefix(column, ".") {
			r.broken(at, column, "names hidden folders, in which output.if_exists: resume finds nothing: rename the column")
		}
	}
}

// outputFormat checks that whoever writes knows the format.
func (r *rules) outputFormat() {
	s := r.s
	formats := []string{"parquet", "tfrecord", "csv", "json", "arrow"}
	if !s.sparkPredicts() {
		r.oneOf("output.format", s.Output.Format, formats...)
		return
	}
	if slices.Contains(formats, s.Output.Format) && !slices.Contains(sparkFormats, s.Output.Format) {
		r.broken("output.format", s.Output.Format, "is not written by Spark: use one of %s, or convert it then (tfos convert)", strings.Join(sparkFormats, ", "))
		return
	}
	r.oneOf("output.format", s.Output.Format, sparkFormats...)
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
