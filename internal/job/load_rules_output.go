package job

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"tfos/internal/infer"
	"tfos/internal/store"
	"tfos/internal/work"
)

// Values of output.if_exists.
const (
	ifFail    = "fail"
	ifReplace = "replace"
	ifResume  = "resume"
	ifSkip    = "skip"
)

// folder checks the path of an output folder: it is made by a rename of a
// hidden sibling, so it must have a name and a parent.
func (r *rules) folder(at, p string) {
	if p == "/" || IsURL(p) && strings.Count(strings.TrimRight(p, "/"), "/") < 3 {
		r.broken(at, p, "must be a folder with a name")
	}
	if strings.ContainsAny(p, "*?[{") {
		r.broken(at, p, "must be one folder, not a pattern")
	}
}

func (r *rules) output() {
	o := r.s.Output
	if r.required("output.path", o.Path, "say where the rows go") {
		r.folder("output.path", o.Path)
	}
	r.outputFormat()
	r.partitioned()
	r.oneOf("output.if_exists", o.IfExists, ifFail, ifReplace, ifResume, ifSkip)
}

// jobFolder is a folder that a job reads a model from or writes.
type jobFolder struct {
	key, path string
	written   bool // as a whole: what was there is replaced
	mixed     bool // files of others may lie in it
}

// folders are those of the job, those that are written first.
func (s *Spec) folders() (all []jobFolder) {
	exported := jobFolder{key: "export_dir", path: s.ExportDir, written: s.kind != Infer && !s.ServingLayout}
	if exported.written {
		all = append(all, exported)
	}
	if s.Output != nil {
		all = append(all, jobFolder{key: "output.path", path: s.Output.Path, written: true})
	}
	if !exported.written {
		all = append(all, exported)
	}
	all = append(all, jobFolder{key: "model_dir", path: s.ModelDir, mixed: true})
	if p := s.App.Python; p != nil && s.kind == Train {
		all = append(all, jobFolder{key: "app.python.output_dir", path: p.OutputDir, mixed: true})
	}
	if s.kind != Infer {
		all = append(all, jobFolder{key: "app.graph.path", path: s.graphPath()})
	}
	if s.trainsGraph() {
		all = append(all, jobFolder{key: "app.graph.init_from", path: s.App.Graph.InitFrom, mixed: true})
	}
	return slices.DeleteFunc(all, func(f jobFolder) bool { return f.path == "" })
}

// paths are the folders of the job, and what it reads rows from.
func (s *Spec) paths() []jobFolder {
	all := s.folders()
	for _, src := range s.sources() {
		all = append(all, jobFolder{key: join(src.path, "path"), path: src.Path})
	}
	return all
}

// secrets checks that no path has credentials: paths are in the plan and the record.
func (r *rules) secrets() {
	for _, f := range r.s.paths() {
		if store.HasSecrets(f.path) {
			r.broken(f.key, f.path, "%v", store.ErrSecret)
		}
	}
}

// distinct checks that no folder that is written holds another folder of the
// job, whose content a replacement would remove, and that none lies in the input,
// where its files would be read as rows. A SavedModel inside model_dir is common
// and does no harm.
func (r *rules) distinct() {
	folders := r.s.folders()
	for i, w := range folders {
		for _, o := range folders[i+1:] {
			if w.written && (within(o.path, w.path) || !o.mixed && within(w.path, o.path)) {
				r.broken(w.key, w.path, "overlaps %s (%s)", o.key, o.path)
			}
		}
	}
	for _, src := range r.s.sources() {
		for _, f := range folders {
			if src.Path != "" {
				r.apart(f, src, store.OverlapByName(src.Path, f.path))
			}
		}
	}
}

// apart refuses a folder that overlaps what a source reads.
func (r *rules) apart(f jobFolder, src namedSource, o store.Overlap) {
	at := join(src.path, "path")
	switch {
	case o == store.Inside:
		r.broken(f.key, f.path, "overlaps %s (%s): its files would be read as rows: choose a folder that the input does not reach", at, src.Path)
	case o == store.Around && f.written:
		r.broken(f.key, f.path, "overlaps %s (%s): the input lies in it: choose another folder", at, src.Path)
	}
}

// within tells whether a path is a folder or under it.
func within(p, folder string) bool {
	return p == folder || strings.HasPrefix(p, strings.TrimSuffix(folder, "/")+"/")
}

// staging is the hidden sibling of an output folder.
func staging(final, run string) string {
	dir, base := path.Split(strings.TrimSuffix(final, "/"))
	return fmt.Sprintf("%s.%s.tfos-%s", dir, base, run)
}

// exportStaging is the sibling of export_dir that a program writes to. It is not
// hidden, and ends with the folder's own name: what a program writes to the path
// with something appended is found by it.
func exportStaging(final, run string) string {
	dir, base := path.Split(strings.TrimSuffix(final, "/"))
	return fmt.Sprintf("%stfos-%s.%s", dir, run, base)
}

// formatAny is the export_format of a program that chooses itself.
const formatAny = "any"

// exportKind is what must be in export_dir at the end: what the job of a Python
// program says, and a SavedModel in other jobs.
func (s *Spec) exportKind() string {
	if s.kind == Export || s.trainsGraph() || s.ExportFormat == work.KindSavedModel {
		return work.KindSavedModel
	}
	return work.KindExport
}

// aside is the hidden sibling of an output folder for the bad rows of what Spark
// writes. No run's staging has such a name.
func aside(final, run string) string {
	dir, base := path.Split(strings.TrimSuffix(final, "/"))
	return fmt.Sprintf("%s.%s.tfos.quarantine-%s", dir, base, run)
}

// kept is the hidden sibling of an output folder that outlives runs. No run's
// staging has such a name.
func kept(final string) string {
	dir, base := path.Split(strings.TrimSuffix(final, "/"))
	return fmt.Sprintf("%s.%s.tfos.resume", dir, base)
}

func indexed(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// sparkFormats are those of our output formats, and of Spark's, that Spark has
// by itself.
var sparkFormats = []string{"parquet", "json", "csv", "orc"}

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
	if s.predicts() != infer.Partitions {
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
	if s.predicts() != infer.Partitions {
		r.oneOf("output.format", s.Output.Format, formats...)
		return
	}
	if slices.Contains(formats, s.Output.Format) && !slices.Contains(sparkFormats, s.Output.Format) {
		r.broken("output.format", s.Output.Format, "is not written by Spark: use one of %s, or convert it then (tfos convert)", strings.Join(sparkFormats, ", "))
		return
	}
	r.oneOf("output.format", s.Output.Format, sparkFormats...)
}
