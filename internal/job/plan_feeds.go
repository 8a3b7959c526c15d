package job

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tfos/internal/feed"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/model"
	"tfos/internal/node"
	"tfos/internal/reserve"
	"tfos/internal/work"
)

// queueBytes bounds what a member holds of a feed: four of the largest chunks.
const queueBytes = 64 << 20

// fed lists the sources in the order in which they are sent. Validation rows go
// first: members put them aside, so that they never wait behind training rows
// for a program that wants them.
func (s *Spec) fed() []namedSource {
	out := s.sources()
	slices.Reverse(out)
	return out
}

// epochs is how often a source is sent. Programs repeat validation themselves.
func (s *Spec) epochs(feed reserve.Purpose) int {
	if feed == reserve.Validation {
		return 1
	}
	return s.Epochs
}

// feeds are the inputs that feed tasks send, for the driver.
func (s *Spec) feeds() []Feed {
	out := []Feed{}
	if !s.sparkFed() {
		return out
	}
	for _, src := range s.fed() {
		f := Feed{
			Name: string(src.purpose), Path: src.Path, Table: src.Table, SQL: src.SQL,
			Options: map[string]string{}, Columns: s.InputMapping.Keys(),
			Epochs: s.epochs(src.purpose), ReadBy: s.readBy(src.Source), Feeder: s.Feeder, ChunkRows: feed.ChunkRows(int(s.BatchSize)), Balance: "equal",
		}
		if src.Path != "" {
			f.Format = src.Format
		}
		maps.Copy(f.Options, src.Options)
		if f.ReadBy != bySpark {
			f.Folders = s.folderRules()
		}
		if s.Strategy == parameterServer && src.purpose == reserve.Train {
			f.Balance = "demand"
		}
		out = append(out, f)
	}
	return out
}

// feedConfigs are the inputs as members receive them: those of feeds, or of shards.
func (s *Spec) feedConfigs() []feed.Config {
	if !s.feedsMembers() {
		return nil
	}
	var out []feed.Config
	for _, src := range s.fed() {
		f := feed.Config{
			Name: string(src.purpose), QueueBytes: queueBytes, BatchRows: int(s.BatchSize),
			Synchronous: s.synchronous(src.purpose), Mapping: s.InputMapping,
		}
		if s.readsShards() {
			f.Epochs = s.epochs(src.purpose)
		}
		if src.purpose == reserve.Train {
			f.QuotaRows = s.quota()
			if s.Epochs > 1 && s.sparkFed() {
				f.CacheBytes = int64(s.EpochCache)
			}
			if s.Shuffle != nil {
				f.ShuffleRows, f.ShuffleSeed = s.Shuffle.Buffer, s.Shuffle.Seed
			}
		}
		out = append(out, f)
	}
	return out
}

// synchronous tells whether those who take a feed step together: all but a member
// that evaluates alone.
func (s *Spec) synchronous(feed reserve.Purpose) bool {
	return s.Strategy == allReduce && (feed == reserve.Train || !s.Evaluator && !s.trainsGraph())
}

// quota is the training rows that each member may take, in whole batches; nil:
// no limit. steps counts updates of the whole cluster: under all_reduce every
// trainer takes part in each of them, otherwise they are shared out and the
// first trainers take one more.
func (s *Spec) quota() map[string]int64 {
	if s.Steps == 0 {
		return nil
	}
	trainers := s.trainers()
	n := int64(len(trainers))
	out := map[string]int64{}
	for i, member := range trainers {
		steps := s.Steps
		if s.Strategy != allReduce {
			steps = s.Steps / n
			if int64(i) < s.Steps%n {
				steps++
			}
		}
		out[member] = steps * int64(s.BatchSize)
	}
	return out
}

// outputs are the folders that appear only when the run has succeeded.
func (s *Spec) outputs(env Environment) []work.Output {
	run := env.RunID
	var out []work.Output
	if s.kind != Infer && s.ExportDir != "" {
		o := work.Output{
			Kind: s.exportKind(), Staging: exportStaging(s.ExportDir, run), Final: s.exportFinal(env.ExportVersion),
			Replace: s.ExportIfExists == "replace",
		}
		out = append(out, onStore(o, s.ExportDir, run))
	}
	if s.Output != nil {
		kind, format := "results", ""
		if s.kind == Infer {
			kind, format = "predictions", s.Output.Format
		}
		o := work.Output{
			Kind: kind, Format: format, Staging: staging(s.Output.Path, run), Final: s.Output.Path,
			Replace: s.Output.IfExists == ifReplace, Skip: s.Output.IfExists == ifSkip,
		}
		switch {
		case s.Output.IfExists == ifResume:
			o.Resume = kept(s.Output.Path)
			o.Staging = work.ResumeStaging(o.Resume, run)
		case s.kind != Infer: // engines and Spark write to stores themselves
			o = onStore(o, s.Output.Path, run)
		}
		if s.predicts() == infer.Partitions && s.OnBadRow == string(infer.Quarantine) {
			o.Aside = aside(s.Output.Path, run)
			if o.Resume != "" {
				o.Aside = work.ResumeAside(o.Resume, run)
			}
		}
		out = append(out, o)
	}
	return out
}

// onStore is an output of members that write local files: if it is on a store, the run holds
// it. folder is that which the job file names.
func onStore(o work.Output, folder, run string) work.Output {
	if IsURL(folder) {
		o.Hold = work.HoldFolder(folder)
		o.Staging = work.HoldStaging(o.Hold, run, strings.TrimSuffix(folder, "/"))
	}
	return o
}

// storedOutputs are the outputs that members write to local folders and then upload. to is
// the local folder of an export that another process writes too.
func storedOutputs(outputs []work.Output, to string) (stored []node.StoredOutput) {
	for _, o := range outputs {
		switch {
		case o.Hold == "":
		case o.Kind == "results":
			stored = append(stored, node.StoredOutput{Kind: node.StoredResults, URL: o.Staging})
		default:
			stored = append(stored, node.StoredOutput{Kind: node.StoredExport, URL: o.Staging, Mark: work.ExportMark, Dir: to})
		}
	}
	return stored
}

func (s *Spec) inferInput() infer.Input { return s.inputOf(&s.Input.Source) }

// folderRules has executors read columns in folders' names as the job's settings
// have Spark do.
func (s *Spec) folderRules() (rules files.FolderRules) {
	if !s.Where().Spark() {
		return rules
	}
	rules.Text = strings.EqualFold(s.Spark.Conf["spark.sql.sources.partitionColumnTypeInference.enabled"], "false")
	rules.Zone = s.Spark.Conf["spark.sql.session.timeZone"]
	return rules
}

// model is the model that an inference job runs.
func (s *Spec) model() model.Source {
	if s.ExportDir == "" {
		return model.Source{Checkpoint: s.ModelDir}
	}
	return model.Source{Model: s.ExportDir, TagSet: s.TagSet}
}

// context is what a Python program gets as ctx and args. beside: see Beside.
func (s *Spec) context(outputs []work.Output, beside []string, verbose bool) map[string]any {
	p := s.App.Python
	c := map[string]any{
		"function": p.Function, "export_function": p.ExportFunction,
	}
	if p.Module != "" {
		c["module"] = p.Module
	} else {
		c["program"] = filepath.Base(p.File)
	}
	if len(beside) > 0 {
		c["beside"] = beside
	}
	if p.Args.Argv != nil {
		c["argv"] = p.Args.Argv
	} else {
		args := map[string]any{}
		maps.Copy(args, p.Args.Values)
		c["args"] = args
	}
	exportTo := ""
	for _, o := range outputs {
		switch o.Kind {
		case work.KindSavedModel, work.KindExport:
			exportTo = o.Staging
		case "results":
			c["output"] = o.Staging
		}
	}
	c["parameters"] = s.parameters(exportTo)
	c["working_dir"] = s.dir
	if verbose {
		c["all_frames"] = true
	}
	c["exit_seconds"] = time.Duration(s.Timeouts.Exit).Seconds()
	return c
}

// parameters are merged into a program's args, under the SPIP's names. What the
// job does not give is null. exportTo is the staging folder of export_dir.
func (s *Spec) parameters(exportTo string) map[string]any {
	out := map[string]any{
		"batch_size": int(s.BatchSize), "epochs": s.Epochs, "steps": nil,
		"model_dir": nil, "model_url": nil, "export_dir": nil,
		"cluster_size": s.ClusterSize, "num_ps": s.NumPS, "strategy": s.Strategy,
		"input_mode": s.InputMode, "tensorboard": s.TensorBoard, "protocol": s.Protocol,
		"readers": s.Readers, "input_path": nil, "input_format": nil, "validation_path": nil, "validation_format": nil,
		"input_mapping": map[string]string{},
	}
	if len(s.InputMapping) > 0 {
		out["input_mapping"] = s.InputMapping.Map()
	}
	for _, src := range s.sources() {
		switch {
		case src.Path == "":
		case src.purpose == reserve.Train:
			out["input_path"], out["input_format"] = src.Path, src.Format
		default:
			out["validation_path"], out["validation_format"] = src.Path, src.Format
		}
	}
	if s.Steps > 0 {
		out["steps"] = s.Steps
	}
	if s.ModelDir != "" {
		out["model_dir"] = s.ModelDir
	}
	if exportTo != "" {
		out["export_dir"] = exportTo
	}
	return out
}
