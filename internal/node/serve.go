package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"tfos/internal/feed"
	"tfos/internal/reserve"
)

// attachTimeout limits the time from a program's connection to its ATTACH, and the writes
// that follow a task's or program's greeting.
const attachTimeout = 30 * time.Second

// serveTask serves the connection of a feed task or a predict task.
func (m *member) serveTask(ctx context.Context, conn net.Conn) error {
	if m.predicts() {
		return m.servePredictor(ctx, conn)
	}
	return m.rows.ServeFeeder(ctx, conn)
}

// serveProgram serves a connection of the child's program. A program may have several, for
// its threads. serveProgram handles ATTACH and CONTEXT. Package feed handles the other
// frames of feeds, and handleFrame those about the program.
func (m *member) serveProgram(ctx context.Context, conn net.Conn) error {
	if err := conn.SetDeadline(deadlineIn(attachTimeout)); err != nil {
		return fmt.Errorf("node: attach: %w", err)
	}
	var attach feed.AttachRequest
	if err := feed.ReadJSON(conn, feed.TypeAttach, &attach); err != nil {
		return fmt.Errorf("node: attach: %w", err)
	}
	if attach.Version != feed.Version {
		return fmt.Errorf("node: attach: the program speaks version %d of the protocol, this member %d: ship the tfos.zip of this release", attach.Version, feed.Version)
	}
	m.program.setAttached()
	m.mu.Lock()
	given := m.context
	m.mu.Unlock()
	if err := feed.WriteJSON(conn, feed.TypeContext, given); err != nil {
		return fmt.Errorf("node: attach: %w", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("node: attach: %w", err)
	}
	return m.rows.ServeChild(ctx, conn, func(typ byte, payload []byte) error {
		return m.handleFrame(conn, typ, payload)
	})
}

// handleFrame records a frame that the program sends about itself. Types that this
// version does not know are ignored.
func (m *member) handleFrame(conn net.Conn, typ byte, payload []byte) error {
	var err error
	switch typ {
	case feed.TypePhase:
		var r feed.PhaseReport
		if err = json.Unmarshal(payload, &r); err == nil {
			m.program.setPhase(r.Phase)
			if r.Phase == reserve.PhaseEvaluating {
				m.program.trainingEnded.onDone(func() { m.sendTrainingEnded(conn) })
			}
			if r.Phase == reserve.PhaseRunning && m.predicts() {
				m.program.rowsEnded.onDone(func() { m.sendRowsEnded(conn) })
			}
			m.client.Renew()
		}
	case feed.TypeFailed:
		var f feed.Failure
		if err = json.Unmarshal(payload, &f); err == nil {
			m.program.setFailure(f)
		}
	case feed.TypeProgress:
		var r feed.ProgressReport
		if err = json.Unmarshal(payload, &r); err == nil {
			m.program.setProgress(r)
		}
	case feed.TypeNote:
		var n feed.Note
		if err = json.Unmarshal(payload, &n); err == nil {
			err = m.addNote(n)
		}
	case feed.TypeResult:
		if json.Valid(payload) {
			m.program.setResult(payload)
		} else {
			err = feed.ErrProtocol
		}
	}
	if err != nil {
		return fmt.Errorf("node: frame 0x%02x of the program: %w", typ, err)
	}
	return nil
}

// addNote adds a message of the program for the user to the report, and renews so
// that the server has it at once.
func (m *member) addNote(n feed.Note) error {
	kind, ok := map[string]reserve.NoteKind{
		feed.NoteWarning: reserve.NoteWarning, feed.NoteTensorBoard: reserve.NoteTensorBoard,
	}[n.Kind]
	if !ok {
		return fmt.Errorf("note of kind %q: %w", n.Kind, feed.ErrProtocol)
	}
	m.program.addNote(reserve.Note{Kind: kind, Text: oneLine(n.Text)})
	m.client.Renew()
	return nil
}

// sendTrainingEnded tells a program that evaluates that training has ended. conn
// carries no feed: nobody else writes to it. A broken conn means that the program
// is gone.
func (m *member) sendTrainingEnded(conn net.Conn) {
	if err := feed.WriteJSON(conn, feed.TypeTrainingEnded, struct{}{}); err != nil {
		m.log.Debug("node: tell the program that training has ended", "error", err)
	}
}
