package job

import (
	"path/filepath"
	"strings"

	"tfos/internal/reserve"
)

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
