package node

import (
	"context"
	"fmt"
	"os"
	"time"

	"tfos/internal/exit"
	"tfos/internal/reserve"
)

// finishModel uploads what is not at the store yet, after the child's end. started says
// that there was a child, and clean that its process ended by itself. within is how long
// the upload may take; 0: until a hard ending. If it fails, a success becomes a failure of
// code 7.
func (m *member) finishModel(o *reserve.Outcome, started, clean bool, within time.Duration) {
	d := m.modelNow()
	if !started || d == nil || d.Mirror == nil {
		return
	}
	ctx, cancel := m.uploadContext()
	defer cancel()
	if within > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, within, fmt.Errorf("it took more than %s", within))
		defer cancel()
	}
	d.stop()
	select {
	case <-d.stopped:
	case <-ctx.Done():
		d.abandon()
		<-d.stopped
	}
	d.uploads.end()
	err := d.Finish(ctx, clean)
	o.Mirrored = m.mirrored()
	if err == nil {
		return
	}
	d.kept = true
	m.log.Error("node: upload model_dir", "url", d.url, "error", err)
	m.uploadFailed(o, fmt.Sprintf("model_dir: %v: make it writable and start the job again, which goes on from the newest checkpoint there; "+
		"until Spark deletes the executor's folder, all files are in %s on %s", err, m.keepFolder(d.path), m.host))
}

// uploadFailed makes a success a failure of code 7. To another outcome it adds a warning.
func (m *member) uploadFailed(o *reserve.Outcome, cause string) {
	cause = oneLine(cause)
	if o.Kind != reserve.Succeeded {
		m.program.addNote(reserve.Note{Kind: reserve.NoteWarning, Text: cause})
		return
	}
	o.Kind, o.VerdictCode, o.Phase, o.Cause = reserve.Failed, exit.Output, reserve.PhaseUpload, cause
	m.program.setOver(cause)
}

// abandonPass ends the pass that runs, within abandonPatience. The process that uploads
// for it is about to be killed with the child's, and would leave at the store what it has
// not finished. finishModel uploads all of it.
func (m *member) abandonPass() {
	d := m.modelNow()
	if d == nil || d.Mirror == nil {
		return
	}
	d.stop()
	d.abandon()
	select {
	case <-d.stopped:
	case <-time.After(abandonPatience):
	}
}

// abandonPatience is for one request to a store.
const abandonPatience = 2 * time.Second

// closeModel ends the mirror's passes and deletes the local folder. No child runs.
func (m *member) closeModel() {
	d := m.modelNow()
	if d == nil {
		return
	}
	if d.stop != nil {
		d.stop()
		d.abandon()
	}
	d.uploads.end()
	if !d.kept {
		m.warn("delete the local folder of model_dir", os.RemoveAll(d.path))
	}
}
