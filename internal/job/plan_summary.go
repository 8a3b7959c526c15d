package job

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tfos/internal/infer"
)

// summary is what people want to know of a plan and programs do not.
type summary struct {
	app        string
	roles      map[string]Role
	trainers   int // members that take training rows, or would
	chief      bool
	native     bool // a Python program reads its input itself
	scheduled  bool // the chief takes all rows and schedules the steps
	strategy   string
	batch      BatchSize
	epochs     int
	steps      int64 // limit; 0: none
	rows       int64 // of the input; 0: not known
	inference  string
	badRows    string // what becomes of them, unless the run fails
	partitions string // of the output
	modelDir   string
	board      bool     // TensorBoard on modelDir
	leftAside  []string // keys that the job gives and that do not count without Spark
	evaluation string   // of a graph program; "": none
}

func (s *Spec) summary(env Environment, l layout) summary {
	out := summary{
		trainers: len(s.trainers()), chief: s.Chief, scheduled: s.chiefSchedules(), strategy: s.Strategy, batch: s.BatchSize,
		epochs: s.Epochs, steps: s.Steps, rows: env.Rows, modelDir: s.ModelDir, board: s.TensorBoard, roles: map[string]Role{},
		leftAside: s.leftAside(),
	}
	for _, r := range s.roles() {
		out.roles[r.job] = *r.role
	}
	switch {
	case s.App.Python != nil && s.kind == Train:
		out.app = "python " + cmp.Or(s.App.Python.File, "-m "+s.App.Python.Module)
		if s.App.Python.Function != "" {
			out.app += ", function " + s.App.Python.Function
		} else {
			out.app += ", as a script"
		}
		out.native = s.InputMode == modeTensorFlow
		if s.App.Python.ExportFunction != "" {
			out.app += ", export function " + s.App.Python.ExportFunction
		}
		if files := s.App.Python.Files; len(files) > 0 {
			out.app += ", with " + strings.Join(files, " and ")
		}
		out.app += ", interpreter " + s.interpreter(env, l.master)
	case s.kind == Export:
		out.app = s.explainExport()
	case s.trainsGraph():
		out.app, out.evaluation = s.explainGraph(), s.explainEvaluation()
		if s.ModelDir != "" {
			out.modelDir += s.explainCheckpoints()
		}
	case s.kind == Infer:
		out.app, out.partitions, out.badRows = s.explainModel(), s.explainPartitions(), s.explainBadRows()
		out.inference = fmt.Sprintf("%s%s%s", s.explainSource(), mapped(s.InputMapping, "columns as the signature names them"), s.explainReader())
	}
	return out
}

func (s *Spec) explainSource() string {
	in := s.Input.Source
	if in.Path == "" {
		return cmp.Or(in.Table, strings.Join(strings.Fields(in.SQL), " "))
	}
	return in.Format + " " + in.Path
}

func (s *Spec) explainModel() string {
	text := fmt.Sprintf("SavedModel %s, tags %s", s.ExportDir, strings.Join(s.TagSet, ","))
	if s.ExportDir == "" {
		text = "checkpoint " + s.ModelDir
	}
	if s.tensorsOnly() {
		text += ", the graph's tensors"
	} else {
		text += ", signature " + s.SignatureDefKey
	}
	return text + s.explainFit()
}

// explainFit is what the job says of the model's inputs and outputs beside the
// mappings, "" where it says nothing.
func (s *Spec) explainFit() (text string) {
	for _, name := range slices.Sorted(maps.Keys(s.Constants)) {
		text += fmt.Sprintf(", %s = %s", name, s.Constants[name])
	}
	if len(s.BinaryOutputs) > 0 {
		text += ", binary " + strings.Join(s.BinaryOutputs, ", ")
	}
	if s.AllowNarrowing {
		text += ", numbers may be rounded"
	}
	if s.PadLastBatch {
		text += ", short batches are filled up"
	}
	if libraries := s.TensorFlow.OpLibraries; len(libraries) > 0 {
		text += ", operations of " + strings.Join(libraries, " and ")
	}
	return text
}

func (s *Spec) explainBadRows() string {
	text := map[string]string{"skip": "skipped", "quarantine": "put aside in " + infer.QuarantineFolder + " of the output"}[s.OnBadRow]
	if text != "" && s.MaxBad != nil {
		text += fmt.Sprintf("; more than %s of all rows fail the job", s.MaxBad)
	}
	return text
}

// batchText is the rows of a run of the model.
func (sum summary) batchText() string {
	if sum.batch == AutoBatch {
		return "as large as pays (batch_size: auto)"
	}
	return fmt.Sprintf("%d rows each", sum.batch)
}

// stepsText is the arithmetic rows x epochs / batch / workers = steps.
func (sum summary) stepsText() string {
	limit := "no limit"
	if sum.steps > 0 {
		limit = fmt.Sprintf("at most %d over the cluster", sum.steps)
	}
	if sum.scheduled { // by the chief, on whichever worker is free
		return sum.scheduledText(limit)
	}
	shape := fmt.Sprintf("rows x %s / batch %d / %s", plural(int64(sum.epochs), "epoch"), sum.batch, plural(int64(sum.trainers), "worker"))
	if sum.rows <= 0 {
		return fmt.Sprintf("%s; %s; %s", shape, knownRows(sum.rows), limit)
	}
	each := sum.rows * int64(sum.epochs) / int64(sum.batch) / int64(sum.trainers)
	if sum.steps > 0 {
		most := sum.steps
		if sum.strategy != allReduce {
			most = (sum.steps + int64(sum.trainers) - 1) / int64(sum.trainers)
		}
		each = min(each, most)
	}
	return fmt.Sprintf("%d %s = about %s a worker; %s", sum.rows, shape, plural(each, "step"), limit)
}

// scheduledText is stepsText where the chief takes all rows.
func (sum summary) scheduledText(limit string) string {
	shape := fmt.Sprintf("rows x %s / batch %d", plural(int64(sum.epochs), "epoch"), sum.batch)
	if sum.rows <= 0 {
		return fmt.Sprintf("%s, scheduled by the chief; %s; %s", shape, knownRows(sum.rows), limit)
	}
	all := sum.rows * int64(sum.epochs) / int64(sum.batch)
	if sum.steps > 0 {
		all = min(all, sum.steps)
	}
	return fmt.Sprintf("%d %s = about %s, scheduled by the chief; %s", sum.rows, shape, plural(all, "step"), limit)
}
