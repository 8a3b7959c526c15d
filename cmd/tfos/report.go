package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"tfos/internal/exit"
	"tfos/internal/job"
	"tfos/internal/launch"
	"tfos/internal/record"
)

// report writes a report for people: to standard output, or with asJSON to
// standard error, because standard output is then for the verdict only.
func (c *cli) report(asJSON bool, write func(io.Writer)) {
	w := c.out
	if asJSON {
		w = c.err
	}
	var b bytes.Buffer
	write(&b)
	if _, err := w.Write(b.Bytes()); err != nil {
		c.talk("tfos: write the report: %v", err)
	}
}

// writeReport writes how a run ended. printed adds the last lines of the chief
// program's output, if the run succeeded.
func writeReport(w io.Writer, name string, v record.Verdict, printed bool) {
	r := reporter{w}
	switch total, measured := v.Seconds["total"]; {
	case v.Code == exit.Done && measured:
		r.printf("\n%s: done in %.1f s\n", name, total)
	case v.Code == exit.Done: // the driver's verdict: its launcher was killed
		r.printf("\n%s: done\n", name)
	default:
		r.printf("\n%s: failed: %s (exit %d)\n", name, v.Code.Meaning(), v.Code)
		r.failure(v)
	}
	r.field("phases", phases(v.Seconds))
	r.rows(v)
	r.infer(v)
	r.trained(v)
	r.export(v)
	r.throughput(v)
	r.gpus(v.GPUs)
	for _, a := range v.Artifacts {
		r.field("output", fmt.Sprintf("%s %s", strings.ReplaceAll(a.Kind, "_", " "), a.Path))
	}
	for _, path := range v.Kept {
		r.field("kept", path)
	}
	if v.Code == exit.Done {
		for _, l := range v.Logs {
			r.field("log", l.Member+": "+onHost(l.Path, l.Host))
			if printed {
				r.lines("stdout", l.Stdout)
			}
		}
	}
	r.mirrored(v.Mirrored, v.Code == exit.Done)
	r.files(v.WorkingFiles)
	r.field("record", v.Record)
	if v.Code != exit.Done {
		r.field("next", nextStep(v)+keptParts(v)+keptCheckpoint(v)+keptExports(v))
	}
}

// reporter writes to memory, where writes do not fail.
type reporter struct{ w io.Writer }

func (r reporter) printf(format string, args ...any) { _, _ = fmt.Fprintf(r.w, format, args...) }

// field writes one line of the report, and nothing for an empty value.
func (r reporter) field(name, value string) {
	if value != "" {
		r.printf("  %-8s %s\n", name, value)
	}
}

// lines writes the last lines of a stream, and nothing if there are none.
func (r reporter) lines(stream string, lines []string) {
	if len(lines) == 0 {
		return
	}
	r.field(stream, "the last lines:")
	for _, line := range lines {
		r.printf("           | %s\n", line)
	}
}

func (r reporter) failure(v record.Verdict) {
	member := v.Member
	if member != "" && v.Host != "" {
		member += " on " + v.Host
	}
	r.field("member", member)
	r.field("phase", v.Phase)
	r.field("cause", v.Cause)
	r.lines("stderr", v.Stderr)
	r.field("log", onHost(v.LogPath, v.Host))
}

// onHost says where a log is: a file of a host, or a page.
func onHost(path, host string) string {
	if path == "" || host == "" || strings.HasPrefix(path, "http") {
		return path
	}
	return path + " on " + host
}

// files writes what happened to the files in the programs' working directories.
func (r reporter) files(members []record.MemberFiles) {
	for _, m := range members {
		left, bytes := m.Files-m.UploadedFiles, m.Bytes-m.UploadedBytes
		var parts []string
		if m.UploadedFiles > 0 {
			parts = append(parts, fmt.Sprintf("%s in %s", amount(m.UploadedFiles, m.UploadedBytes), m.UploadedTo))
		}
		if left > 0 {
			parts = append(parts, amount(left, bytes)+" not kept (app.python.outputs keeps files)")
		}
		r.field("files", m.Member+": "+strings.Join(parts, "; "))
	}
}

// mirrored writes how far a model_dir on a store is there, and what of it was lost.
func (r reporter) mirrored(all []record.MemberMirror, done bool) {
	for _, m := range all {
		parts := []string{m.URL}
		if m.Checkpoint != "" {
			parts = append(parts, m.Checkpoint+" is there")
		}
		if m.Newest != m.Checkpoint {
			parts = append(parts, fmt.Sprintf("%s of %s was not there yet", m.Newest, m.Member))
		}
		if m.Seconds > 0 {
			parts = append(parts, fmt.Sprintf("the last upload took %.1f s (%s)", m.Seconds, amount(m.Files, m.Bytes)))
		}
		if m.UploadedFiles > 0 {
			parts = append(parts, fmt.Sprintf("%s uploaded in all", amount(m.UploadedFiles, m.UploadedBytes)))
		}
		if !done && m.Error != "" {
			parts = append(parts, "not everything: "+m.Error)
		}
		r.field("model", strings.Join(parts, "; "))
	}
}

// amount returns a number of files and their size, for people.
func amount(files, bytes int64) string {
	size := fmt.Sprintf("%d bytes", bytes)
	if bytes == 1 {
		size = "1 byte"
	}
	for i, unit := range []string{"kB", "MB", "GB", "TB"} {
		if scale := math.Pow10(3 * (i + 1)); float64(bytes) >= scale {
			size = fmt.Sprintf("%.1f %s", float64(bytes)/scale, unit)
		}
	}
	if files == 1 {
		return "1 file, " + size
	}
	return fmt.Sprintf("%d files, %s", files, size)
}

// phases lists the durations of phases, in the order of a run.
func phases(seconds map[string]float64) string {
	var parts []string
	for _, p := range []struct{ key, text string }{
		{"submit", "Spark started in"}, {"form", "cluster formed in"}, {"run", "ran for"}, {"export", "exported in"}, {"stop", "stopped in"},
	} {
		if s, ok := seconds[p.key]; ok {
			parts = append(parts, fmt.Sprintf("%s %.1f s", p.text, s))
		}
	}
	return strings.Join(parts, ", ")
}

// rows writes the row counts of each member and feed, over all epochs.
func (r reporter) rows(v record.Verdict) {
	type key struct{ member, feed string }
	var order []key
	sums := map[key]record.FeedRows{}
	for _, f := range v.Feeds {
		k := key{f.Member, f.Feed}
		sum, ok := sums[k]
		if !ok {
			order = append(order, k)
		}
		sum.Received += f.Received
		sum.Trained += f.Trained
		sum.Dropped += f.Dropped
		sum.Quarantined += f.Quarantined
		sums[k] = sum
	}
	if len(order) == 0 {
		return
	}
	r.field("rows", "read = trained + dropped + quarantined")
	for _, k := range order {
		s := sums[k]
		r.printf("           %s, feed %s: %d = %d + %d + %d\n", k.member, k.feed, s.Received, s.Trained, s.Dropped, s.Quarantined)
	}
	if len(order) > 1 {
		r.printf("           all: %d = %d + %d + %d\n", v.Rows.Read, v.Rows.Trained, v.Rows.Dropped, v.Rows.Quarantined)
	}
}

// throughput writes how fast rows were used, and how long programs waited for
// rows.
func (r reporter) throughput(v record.Verdict) {
	t := v.Throughput
	if t == nil {
		return
	}
	if t.StepP50 == 0 { // inference that was stopped before its end
		r.field("pace", fmt.Sprintf("%s for %.1f s", record.RowRate(t.RowsPerSecond), t.Seconds))
		return
	}
	r.field("pace", fmt.Sprintf("%s for %.1f s; step %s (p50), %s (p99); feed wait %.0f %%",
		record.RowRate(t.RowsPerSecond), t.Seconds, millis(t.StepP50), millis(t.StepP99), t.FeedWait))
	if len(t.Members) < 2 {
		return
	}
	for _, m := range t.Members {
		r.printf("           %s: %s; step %s, %s; feed wait %.0f %%\n",
			m.Member, record.RowRate(m.RowsPerSecond), millis(m.StepP50), millis(m.StepP99), m.FeedWait)
	}
}

func millis(ms float64) string { return fmt.Sprintf("%.3g ms", ms) }

// infer writes how many rows were predicted.
func (r reporter) infer(v record.Verdict) {
	var result struct {
		Read        int64             `json:"read"`
		Rows        int64             `json:"rows"`
		Skipped     int64             `json:"skipped"`
		Quarantined int64             `json:"quarantined"`
		Splits      []json.RawMessage `json:"splits"`
		Partitions  int               `json:"partitions"`
		BatchRows   int64             `json:"batch_rows"`
		LoadTime    float64           `json:"load_seconds"`
		ReadTime    float64           `json:"read_seconds"`
		ComputeTime float64           `json:"compute_seconds"`
		WriteTime   float64           `json:"write_seconds"`
		Carried     *struct {
			Splits int   `json:"splits"`
			Rows   int64 `json:"rows"`
		} `json:"carried"`
	}
	if len(v.Infer) == 0 || json.Unmarshal(v.Infer, &result) != nil || v.Phase == launch.PhaseMeasured {
		return
	}
	from, pieces := fmt.Sprintf("%d splits", len(result.Splits)), "splits"
	if result.Partitions > 0 {
		from, pieces = fmt.Sprintf("%d partitions, read and written by Spark", result.Partitions), "partitions"
	}
	r.field("rows", fmt.Sprintf("%d predicted from %s", result.Rows, from))
	r.printf("           read = predicted + skipped + quarantined: %d = %d + %d + %d\n",
		result.Read, result.Rows, result.Skipped, result.Quarantined)
	if result.BatchRows > 0 { // not what the job says
		r.field("batches", fmt.Sprintf("at most %d rows in the end", result.BatchRows))
	}
	if c := result.Carried; c != nil && c.Splits > 0 {
		r.field("carried", fmt.Sprintf("%d %s, %d rows: of earlier runs, not computed again", c.Splits, pieces, c.Rows))
	}
	if len(result.Splits) > 0 && result.Partitions == 0 {
		r.field("time", fmt.Sprintf("load %.1f s, read %.1f s, compute %.1f s, write %.1f s, added up over members and splits",
			result.LoadTime, result.ReadTime, result.ComputeTime, result.WriteTime))
	}
}

// trained writes what the training of a graph program came to.
func (r reporter) trained(v record.Verdict) {
	t := v.Train
	if t == nil {
		return
	}
	r.field("start", t.InitFrom)
	if t.ResumedFrom != "" {
		r.field("start", "checkpoint "+t.ResumedFrom)
	}
	why := map[string]string{"steps": "the job's steps are done", "rows": "the rows have ended", "early stopping": "early stopping"}[t.Stopped]
	if why != "" {
		why = ", stopped: " + why
	}
	r.field("steps", fmt.Sprintf("%d in this run, %.1f steps/s, %d in total%s", t.Steps, t.StepsPerSecond, t.Step, why))
	if t.Skipped > 0 {
		r.printf("           %d batches had a loss that is not finite and were undone\n", t.Skipped)
	}
	for _, left := range []struct {
		rows int64
		what string
	}{{t.LeftOut, ""}, {t.EvalLeftOut, " of the validation"}} {
		if left.rows > 0 {
			r.printf("           the last rows%s fill no batch, and the graph takes whole ones: %d dropped\n", left.what, left.rows)
		}
	}
	r.field("divided", strings.Join(t.Divided, ", "))
	for _, one := range t.Whole {
		r.printf("           not divided over parameter servers: %s\n", one)
	}
	r.field("trained", metrics(t.Metrics))
	r.field("evaluated", metrics(t.Evaluated))
}

// metrics lists values by name, loss first.
func metrics(values map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		part := fmt.Sprintf("%s %.5g", name, values[name])
		if name == "loss" {
			parts = append([]string{part}, parts...)
		} else {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// keptExports says what to do with a failed run's model files that were kept.
func keptExports(v record.Verdict) string {
	switch {
	case len(v.Kept) == 0:
		return ""
	case v.Phase == launch.PhaseCommit:
		return "; the program ended well: what is kept can be moved to where you want it"
	}
	return "; what is kept may be half-written: load it once before you rely on it, and delete it when it is of no use"
}

// keptParts says how many splits of a failed run the next run need not compute.
// A task that still ran while they were counted may have finished one more.
func keptParts(v record.Verdict) string {
	var result struct {
		Kept int `json:"kept_splits"`
	}
	if len(v.Infer) == 0 || json.Unmarshal(v.Infer, &result) != nil || result.Kept == 0 {
		return ""
	}
	return fmt.Sprintf("; at least %d parts are done and are not computed again", result.Kept)
}

// keptCheckpoint says what a training goes on from when the job is started again.
func keptCheckpoint(v record.Verdict) string {
	if v.Train == nil || v.Train.Checkpoint == "" {
		return ""
	}
	return "; it goes on from " + v.Train.Checkpoint
}

// nextStep says what to do about a failure.
func nextStep(v record.Verdict) string {
	switch v.Code {
	case exit.NoSpark:
		return "read the log, which spark-submit wrote"
	case exit.NotFormed:
		if v.Phase == launch.PhaseExecutors {
			return "read the executors' last lines, correct what they name, and start the job again"
		}
		return "give the cluster room for all members, or lower cluster_size or resources; timeouts.reservation bounds the wait"
	case exit.BadData:
		return "correct the input or input_mapping"
	case exit.Output:
		switch v.Phase {
		case launch.PhaseCommit:
			return "do what the cause says"
		case launch.PhaseUpload:
			return "make room where the cause says, or name another app.python.output_dir; the run's other outputs are complete"
		}
		if v.Kind == string(job.Train) {
			return "correct what the cause names, and start the job again"
		}
		return "remove the output, name another, or let the job replace it"
	case exit.Stalled:
		if v.Phase == launch.PhaseThroughput {
			return "tfos bench says where the time goes"
		}
		return "read the log for what the program waits for; timeouts.stall bounds the time without progress"
	case exit.Interrupted, exit.Terminated:
		return "start the job again"
	}
	if v.Retryable {
		return "start the job again: the cause lies outside the program"
	}
	return "read the log, correct the program, and start the job again"
}
