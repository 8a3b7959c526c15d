package job

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"tfos/internal/export"
)

// planExport adds what the member of an export job does.
func (s *Spec) planExport(p *Plan) (err error) {
	if s.kind != Export {
		return nil
	}
	o := p.Reserve.Outputs[0]
	to := o.Staging
	if o.Hold != "" {
		to = filepath.Join(exportFolder(p.Scratch), path.Base(to))
	}
	p.Reserve.Export, err = json.Marshal(export.Request{
		ExportSource: s.exportSource(), Signatures: s.signatureChoice(), Origin: s.origin,
		Output: to, Written: filepath.Join(p.Scratch, "written.json"), Threads: s.Resources.Worker.Cores,
	})
	if err != nil {
		return fmt.Errorf("job: plan: write the export's request: %w", err)
	}
	return nil
}

// exportFolder is the local folder in which an export is written that goes to a store.
func exportFolder(scratch string) string { return filepath.Join(scratch, "export") }

// SetOrigin says which file of the user the job's graph was converted from.
func (s *Spec) SetOrigin(path string) { s.origin = path }

// exportFinal is the folder of the SavedModel: export_dir, or a version in it.
func (s *Spec) exportFinal(version int64) string {
	if !s.ServingLayout {
		return s.ExportDir
	}
	return fmt.Sprintf("%s/%d", strings.TrimSuffix(s.ExportDir, "/"), max(1, version))
}
