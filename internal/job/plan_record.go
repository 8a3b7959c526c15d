package job

import (
	"path"
	"strings"

	"tfos/internal/store"
)

// deployCluster is the deploy mode in which the driver is in the cluster.
const deployCluster = "cluster"

// InCluster tells whether Spark starts the driver in the cluster.
func (s *Spec) InCluster() bool { return s.Where().Spark() && s.Spark.DeployMode == deployCluster }

// RecordFolder is the folder of a run's record in cluster mode, which launcher and driver
// both see: of spark.record_dir, else beside what the job writes. "": there is none.
func (s *Spec) RecordFolder(run string) string {
	dir := s.Spark.RecordDir
	if dir == "" {
		written := []string{s.ModelDir, "", s.ExportDir}
		if s.Output != nil {
			written[1] = s.Output.Path
		}
		if s.kind == Infer {
			written = written[1:2]
		}
		for _, place := range written {
			if parent, name := path.Split(strings.TrimSuffix(place, "/")); dir == "" && name != "" {
				dir = parent + "." + name + ".tfos.runs"
			}
		}
	}
	if dir == "" {
		return ""
	}
	return strings.TrimSuffix(dir, "/") + "/" + run
}

// recordDir checks spark.record_dir.
func (r *rules) recordDir() {
	s := r.s
	switch {
	case !s.InCluster() && s.Spark.RecordDir != "":
		r.broken("spark.record_dir", s.Spark.RecordDir, "only applies to spark.deploy_mode cluster: else the record is in TFOS_STATE_DIR")
	case s.InCluster() && s.RecordFolder("run") == "":
		r.broken("spark.record_dir", "", "say where launcher and driver both see the run's record: the job has no model_dir, output or export_dir")
	case s.Spark.RecordDir != "":
		r.folder("spark.record_dir", s.Spark.RecordDir)
	}
}

// warnRecord warns of a record on a local path, which two hosts seldom share.
func (r *rules) warnRecord() {
	if folder := r.s.RecordFolder("RUN"); r.s.InCluster() && !store.Remote(folder) {
		r.broken("spark.record_dir", folder, "this machine and the driver's must both see it: a URL, or a shared folder")
	}
}
