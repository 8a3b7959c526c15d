package job

import (
	"slices"

	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/store"
)

// Values of read_by.
const (
	byExecutor = "executor"
	bySpark    = "spark"
	byEither   = "auto"
)

// same are the formats that need no settings and that tfos and Spark, where it
// knows them, read as the same rows. Columns of csv and json files are others
// for each.
var same = []files.Format{files.Parquet, files.TFRecord, files.Arrow}

// readBy is who reads a source. byEither: the driver sees whether executors can.
func (s *Spec) readBy(src *Source) string {
	switch {
	case s.ReadBy != byEither:
		return s.ReadBy
	case src.Table != "" || src.SQL != "":
		return bySpark
	case (s.kind == Infer || s.Local) && s.sparkReason(src) != "":
		return bySpark
	case s.kind == Infer || s.Local:
		return byExecutor
	case s.Feeder != "auto" || src.Path == "" || !store.Knows(src.Path) || src.settings() || !slices.Contains(same, files.Format(src.Format)):
		return bySpark
	}
	return byEither
}

// settings tells whether a source has options by which tfos and Spark may read other
// rows. What a TFRecord file's records are is the same for both.
func (src *Source) settings() bool {
	for name := range src.Options {
		if name != "recordType" || files.Format(src.Format) != files.TFRecord {
			return true
		}
	}
	return false
}

// readBy checks that executors can read what they shall.
func (r *rules) readBy() {
	s := r.s
	r.oneOf("read_by", s.ReadBy, byExecutor, bySpark, byEither)
	if s.ReadBy != byExecutor {
		return
	}
	for _, src := range s.sources() {
		for key, value := range map[string]string{"table": src.Table, "sql": src.SQL} {
			if value != "" {
				r.broken(join(src.path, key), value, "needs read_by: spark")
			}
		}
		if src.Path == "" {
			continue
		}
		if !store.Knows(src.Path) {
			r.broken(join(src.path, "path"), src.Path, "needs read_by: spark")
		}
		if src.Format != "" && !files.Format(src.Format).Known() {
			r.broken(join(src.path, "format"), src.Format, "needs read_by: spark")
		}
	}
	if s.kind == Train && s.Feeder != "auto" && !s.Local {
		r.broken("feeder", s.Feeder, "needs read_by: spark")
	}
}

// noInference is the infer.Kind of a job whose members run a program.
const noInference infer.Kind = ""

// predicts is the kind of inference that a job is.
func (s *Spec) predicts() infer.Kind {
	switch {
	case s.kind != Infer:
		return noInference
	case s.readBy(&s.Input.Source) == bySpark:
		return infer.Partitions
	}
	return infer.Splits
}

// sparkTasks tells whether Spark's tasks run beside members.
func (s *Spec) sparkTasks() bool { return s.sparkFed() || s.predicts() == infer.Partitions }

// sparkReason is why Spark alone can read a source, or do an inference job. "":
// executors can.
func (s *Spec) sparkReason(in *Source) string {
	switch {
	case in.Table != "":
		return "input is a table"
	case in.SQL != "":
		return "input is a query"
	case !store.Knows(in.Path):
		return "input.path is on a store that tfos does not know"
	case in.Path != "" && in.Format != "" && !files.Format(in.Format).Known():
		return "tfos does not read " + in.Format + " itself"
	case s.kind == Infer && s.Output != nil && len(s.Output.PartitionBy) > 0:
		return "output.partition_by is given"
	}
	return ""
}
