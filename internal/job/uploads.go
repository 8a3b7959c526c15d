package job

import (
	"path"
	"path/filepath"
	"strings"

	"tfos/internal/reserve"
)

// uploadRules checks the keys about files in a program's working directory.
func (r *rules) uploadRules(p *Python) {
	for i, pattern := range p.Outputs {
		at := indexed("app.python.outputs", i)
		_, err := path.Match(pattern, "")
		switch {
		case strings.TrimSpace(pattern) == "":
			r.broken(at, pattern, "must name files below the working directory: . for all of them")
		case path.IsAbs(pattern) || IsURL(pattern) || !filepath.IsLocal(path.Clean(pattern)):
			r.broken(at, pattern, "must be below the working directory of the program: only what lies there is brought")
		case err != nil:
			r.broken(at, pattern, "is no pattern: a bracket is not closed")
		}
	}
	switch {
	case p.OutputDir != "" && len(p.Outputs) == 0:
		r.broken("app.python.output_dir", p.OutputDir, "does nothing without app.python.outputs")
	case p.OutputDir != "":
		r.folder("app.python.output_dir", p.OutputDir)
	case len(p.Outputs) > 0 && r.s.Spark.DeployMode == "cluster":
		r.broken("app.python.outputs", "", "needs app.python.output_dir with spark.deploy_mode cluster: this machine's record is out of the driver's reach")
	}
}

// uploads say where the files that the job wants go; nil: it wants none, or
// measures only.
func (s *Spec) uploads(env Environment) *reserve.UploadConfig {
	p := s.App.Python
	if p == nil || s.kind != Train || len(p.Outputs) == 0 || env.Measure > 0 {
		return nil
	}
	folder := filepath.Join(env.Record, "outputs")
	if p.OutputDir != "" {
		folder = strings.TrimSuffix(p.OutputDir, "/") + "/" + env.RunID
	}
	return &reserve.UploadConfig{Folder: folder, Patterns: p.Outputs}
}
