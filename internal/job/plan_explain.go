package job

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"tfos/internal/infer"
	"tfos/internal/reserve"
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
	batch      int
	epochs     int
	steps      int64 // limit; 0: none
	rows       int64 // of the input; 0: not known
	inference  string
	badRows    string // what becomes of them, unless the run fails
	partitions string // of the output
	modelDir   string
	board      bool     // TensorBoard on modelDir
	leftAside  []string // keys that the job gives and that do not count without Spark
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
	case s.App.Graph != nil:
		out.app = "graph " + s.App.Graph.Path
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

// Explain writes the plan for people: the text of a dry run, without the command.
func (p *Plan) Explain(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name string, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("run", "%s: %s job %s", p.Run, p.Kind, p.Name)
	if p.summary.app != "" {
		line("application", "%s", p.summary.app)
	}
	if p.summary.strategy != "" {
		line("strategy", "%s", p.summary.strategy)
	}
	p.explainCluster(line)
	p.explainData(line)
	p.explainOutputs(line)
	line("timeouts", "reservation %s, stall %s, exit %s, lease %s", p.Reserve.Reservation(), p.Reserve.Stall(), p.Node.Exit(), p.Reserve.Lease())
	if p.Record != "" {
		line("record", "%s", p.Record)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("job: explain: %w", err)
	}
	return nil
}

type lineWriter func(name, format string, args ...any)

func (p *Plan) explainCluster(line lineWriter) {
	if !p.Where.Spark() {
		p.explainMachine(line)
		return
	}
	sub := p.Submission
	line("master", "%s, deploy mode %s", hidePassword(sub.Master), sub.DeployMode)
	if p.Where.sharedExecutor() {
		line("executors", "1, the driver itself: members share it")
	} else {
		text := fmt.Sprintf("%d, each %s, %d MiB heap and %s beside it", sub.Executors,
			plural(int64(sub.ExecutorCores), "core"), sub.HeapMiB, sub.overhead())
		if p.TaskCPUs > 1 {
			text += fmt.Sprintf("; %d task cpus a member", p.TaskCPUs)
		}
		line("executors", "%s", text)
	}
	name := "members"
	for _, m := range p.Reserve.Members {
		role := p.summary.roles[m.Job]
		text := fmt.Sprintf("%s:%d  %s, %s", m.Job, m.Index, plural(int64(role.Cores), "core"), role.Memory)
		if p.chief(m) {
			text += ", chief"
		}
		if len(m.Feeds) > 0 {
			text += ", fed " + strings.Join(m.Feeds, " and ")
		}
		if m.Required {
			text += ", must succeed"
		}
		line(name, "%s", text)
		name = ""
	}
}

// overhead is what Spark is asked for beside the heap, as the user's own
// setting has it where there is one.
func (sub Submission) overhead() string {
	text := cmp.Or(sub.Conf["spark.executor.memoryOverhead"], fmt.Sprintf("%dm", sub.MemberMiB))
	if m, ok := parseMemory(text); ok {
		return fmt.Sprintf("%d MiB", m.MiB())
	}
	return text + " MiB"
}

// chief tells whether a member is the chief of its cluster.
func (p *Plan) chief(m reserve.MemberConfig) bool {
	if p.Kind != Train {
		return false
	}
	return m.Job == jobChief || !p.summary.chief && m.Job == jobWorker && m.Index == 0
}

func (p *Plan) explainData(line lineWriter) {
	sum := p.summary
	if sum.inference != "" {
		line("input", "%s", sum.inference)
		line("batches", "%d rows each; %s", sum.batch, knownRows(sum.rows))
		if sum.badRows != "" {
			line("bad rows", "%s", sum.badRows)
		}
	}
	for i, f := range p.Feeds {
		source := strings.TrimSpace(f.Format + " " + cmp.Or(f.Path, f.Table, f.SQL))
		text := fmt.Sprintf("%s: %s%s, balance %s", f.Name, source, mapped(p.Node.Feeds[i].Mapping, "every column"), f.Balance)
		text += ", read by " + map[string]string{byExecutor: "executors", byEither: "executors, or Spark where they cannot", bySpark: "Spark"}[f.ReadBy]
		if n := p.Node.Feeds[i].ShuffleRows; n > 0 {
			text += fmt.Sprintf(", shuffle buffer %s (seed %d)", plural(int64(n), "row"), p.Node.Feeds[i].ShuffleSeed)
		}
		line("feed", "%s", text)
	}
	switch {
	case p.Kind != Train:
	case sum.native:
		line("input", "read by the program, which has epochs, steps and batch_size as arguments")
	default:
		line("steps", "%s", sum.stepsText())
	}
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

func (p *Plan) explainOutputs(line lineWriter) {
	if p.summary.modelDir != "" {
		text := p.summary.modelDir
		if p.summary.board {
			text += ", with TensorBoard beside the chief"
		}
		line("model_dir", "%s", text)
	}
	if len(p.Reserve.Outputs) == 0 {
		line("outputs", "none")
	}
	for _, o := range p.Reserve.Outputs {
		text := "must not exist"
		switch {
		case o.Replace:
			text = "replaces what is there"
		case o.Resume != "":
			text = "goes on from what is there and from what earlier runs have left"
		}
		line("output", "%s %s (%s)%s", o.Kind, o.Final, text, p.summary.partitions)
	}
	if u := p.Reserve.Uploads; u != nil {
		line("files", "%s of each working directory go to %s", strings.Join(u.Patterns, ", "), u.Folder)
	}
}

// mapped describes a mapping, or says what none means.
func mapped(m Mapping, none string) string {
	if len(m) == 0 {
		return ", " + none
	}
	parts := make([]string, len(m))
	for i, kv := range m {
		parts[i] = kv[0] + " -> " + kv[1]
	}
	return ", " + strings.Join(parts, ", ")
}

func knownRows(rows int64) string {
	if rows <= 0 {
		return "number of rows not known before the run"
	}
	return plural(rows, "row")
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
