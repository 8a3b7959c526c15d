package job

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"tfos/internal/feed"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

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
	line("master", "%s, deploy mode %s", store.HideSecrets(sub.Master), sub.DeployMode)
	for _, name := range slices.Sorted(maps.Keys(sub.Secrets)) {
		line("secret", "%s=%s, in a file for spark-submit alone", name, masked)
	}
	if p.Where.sharedExecutor() {
		line("executors", "1, the driver itself: members share it")
	} else {
		text := fmt.Sprintf("%d, each %s, %d MiB heap and %s beside it", sub.Executors,
			plural(int64(sub.ExecutorCores), "core"), sub.HeapMiB, sub.overhead())
		if sub.GPUs > 0 {
			text += ", " + plural(int64(sub.GPUs), "GPU") + " from Spark"
		}
		if p.TaskCPUs > 1 {
			text += fmt.Sprintf("; %d task cpus a member", p.TaskCPUs)
		}
		line("executors", "%s", text)
	}
	name := "members"
	for _, m := range p.Reserve.Members {
		role := p.summary.roles[m.Job]
		text := fmt.Sprintf("%s:%d  %s, %s%s", m.Job, m.Index, plural(int64(role.Cores), "core"), role.Memory, role.explainGPUs())
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

// explainGPUs describes a role's GPUs, "" for none.
func (r Role) explainGPUs() string {
	if r.GPUs == 0 {
		return ""
	}
	return ", " + plural(int64(r.GPUs), "GPU")
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
		line("batches", "%s; %s", sum.batchText(), knownRows(sum.rows))
		if sum.badRows != "" {
			line("bad rows", "%s", sum.badRows)
		}
	}
	for i, f := range p.Feeds {
		source := strings.TrimSpace(f.Format + " " + cmp.Or(f.Path, f.Table, f.SQL))
		text := fmt.Sprintf("%s: %s%s, balance %s", f.Name, source, mapped(p.Node.Feeds[i].Mapping, columnsRead(f.Columns)), f.Balance)
		text += ", read by " + map[string]string{byExecutor: p.readers(), byEither: "executors, or Spark where they cannot", bySpark: "Spark"}[f.ReadBy]
		line("feed", "%s", text+shuffled(p.Node.Feeds[i]))
	}
	for i, shard := range p.Reserve.Shards {
		line("input", "%s: %s %s%s, each member reads its share with %s%s", shard.Feed, shard.Input.Format, shard.Input.Path,
			mapped(p.Node.Feeds[i].Mapping, columnsRead(shard.Columns)), plural(int64(shard.Readers), "reader"), shuffled(p.Node.Feeds[i]))
	}
	switch {
	case p.Kind != Train:
	case sum.native:
		line("input", "read by the program, which has epochs, steps and batch_size as arguments")
	default:
		line("steps", "%s", sum.stepsText())
	}
	if sum.evaluation != "" {
		line("evaluation", "%s", sum.evaluation)
	}
}

// columnsRead describes the columns that are read without a mapping.
func columnsRead(columns []string) string {
	if len(columns) == 0 {
		return "every column"
	}
	return "columns " + strings.Join(columns, ", ")
}

// readers are those who read files in feed tasks.
func (p *Plan) readers() string {
	if !p.Where.Spark() {
		return "tfos-node"
	}
	return "executors"
}

// shuffled describes a feed's shuffle buffer, "" for none.
func shuffled(f feed.Config) string {
	if f.ShuffleRows == 0 {
		return ""
	}
	return fmt.Sprintf(", shuffle buffer %s (seed %d)", plural(int64(f.ShuffleRows), "row"), f.ShuffleSeed)
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
