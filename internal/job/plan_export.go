package job

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"tfos/internal/export"
)

// planExport adds what the member of an export job does.
func (s *Spec) planExport(p *Plan) (err error) {
	if s.kind != Export {
		return nil
	}
	p.Reserve.Export, err = json.Marshal(export.Request{
		ExportSource: s.exportSource(), Signatures: s.signatureChoice(), Origin: s.origin,
		Output: p.Reserve.Outputs[0].Staging, Written: filepath.Join(p.Scratch, "written.json"), Threads: s.Resources.Worker.Cores,
	})
	if err != nil {
		return fmt.Errorf("job: plan: write the export's request: %w", err)
	}
	return nil
}

// SetOrigin says which file of the user the job's graph was converted from.
func (s *Spec) SetOrigin(path string) { s.origin = path }

// exportFinal is the folder of the SavedModel: export_dir, or a version in it.
func (s *Spec) exportFinal(version int64) string {
	if !s.ServingLayout {
		return s.ExportDir
	}
	return fmt.Sprintf("%s/%d", strings.TrimSuffix(s.ExportDir, "/"), max(1, version))
}
