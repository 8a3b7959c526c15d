package job

import (
	"fmt"
	"strings"

	"tfos/internal/gpu"
	"tfos/internal/infer"
	"tfos/internal/store"
)

// refuser notes a key that is not supported yet when a condition holds.
type refuser func(path string, value any, when bool)

// unsupported refuses what is not built yet, each by its key. It is apart from
// validate and from the planner, which both know these keys already: whoever
// builds a capability removes its line here.
func (s *Spec) unsupported() Faults {
	var faults Faults
	refuse := func(path string, value any, when bool) {
		if when {
			f := s.source.faultOf(path, fmt.Sprint(value), ErrUnsupported.Error())
			f.Err = ErrUnsupported
			faults = append(faults, f)
		}
	}
	for _, x := range s.roles() {
		refuse("resources."+x.job+".gpus", x.role.GPUs, x.role.GPUs > 0 && s.Where().place().gpus == gpu.None)
	}
	switch s.kind {
	case Train:
		s.unsupportedTraining(refuse)
	case Infer:
		s.unsupportedInference(refuse)
	}
	return append(faults, s.unknownStores()...)
}

// unknownStores refuses URLs of stores that tfos does not know, where tfos itself, and not
// Spark, reads or writes them.
func (s *Spec) unknownStores() Faults {
	var faults Faults
	for _, f := range s.folders() {
		if !store.Knows(f.path) {
			f := s.source.faultOf(f.key, f.path, "no store of tfos has this scheme: "+ErrUnsupported.Error())
			f.Err = ErrUnsupported
			faults = append(faults, f)
		}
	}
	return faults
}

func (s *Spec) unsupportedTraining(refuse refuser) {
	refuse("retries.generations", s.Retries.Generations, s.Retries.Generations > 0)
	if o := s.Output; o != nil {
		refuse("output.format", o.Format, o.Format != "parquet")
		refuse("output.if_exists", o.IfExists, o.IfExists == ifSkip || o.IfExists == ifResume)
	}
}

// unsupportedInference: on a store, what Spark's tasks have committed stays only if each task
// writes one file.
func (s *Spec) unsupportedInference(refuse refuser) {
	if o := s.Output; o != nil && s.predicts() == infer.Partitions && o.IfExists == ifResume && IsURL(o.Path) {
		refuse("output.partition_by", strings.Join(o.PartitionBy, ", "), len(o.PartitionBy) > 0)
	}
}

// Submittable refuses jobs that can be planned but not yet run.
func (s *Spec) Submittable() error {
	var faults Faults
	if s.InCluster() && !s.Where().place().followed {
		f := s.source.faultOf("spark.deploy_mode", "cluster", ErrUnsupported.Error())
		f.Err = ErrUnsupported
		faults = append(faults, f)
	}
	return faults.err()
}
