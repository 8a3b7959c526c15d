package job

import (
	"fmt"
	"path"
	"strings"
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
	if p == "/" || strings.HasSuffix(p, ":/") {
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

// distinct checks that no folder that is written holds another folder of the
// job, whose content a replacement would remove, and lies in none that is read.
// A SavedModel inside model_dir is common and does no harm.
func (r *rules) distinct() {
	s := r.s
	type place struct{ key, path string }
	var written, others []place
	if s.kind != Infer && s.ExportDir != "" {
		written = append(written, place{"export_dir", s.ExportDir})
	}
	if s.Output != nil && s.Output.Path != "" {
		written = append(written, place{"output.path", s.Output.Path})
	}
	if s.kind == Infer && s.ExportDir != "" {
		others = append(others, place{"export_dir", s.ExportDir})
	}
	if s.ModelDir != "" {
		others = append(others, place{"model_dir", s.ModelDir})
	}
	for _, src := range s.sources() {
		if src.Path != "" {
			others = append(others, place{join(src.path, "path"), src.Path})
		}
	}
	for i, w := range written {
		for _, o := range append(written[i+1:], others...) {
			if within(o.path, w.path) || o.key != "model_dir" && within(w.path, o.path) {
				r.broken(w.key, w.path, "overlaps %s (%s)", o.key, o.path)
			}
		}
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
