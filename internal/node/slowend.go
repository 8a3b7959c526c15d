package node

import (
	"fmt"
	"time"

	"tfos/internal/reserve"
)

// exitNotice is how long a process may live on after its program's end before the user
// gets a warning.
const exitNotice = 5 * time.Second

// warnOfSlowEnd warns the user that the run waits for a process whose program has
// ended.
func (m *member) warnOfSlowEnd() {
	how := "has returned"
	if f := m.program.summary().failure; f != nil {
		how = "has failed (" + oneLine(f.Cause) + ")"
	}
	m.program.addNote(reserve.Note{Kind: reserve.NoteWarning, Text: fmt.Sprintf(
		"its program %s, but its process has not ended for %s: its threads, atexit hooks and open files have %s (timeouts.exit), then it is ended",
		how, exitNotice, m.Config.Exit())})
	m.client.Renew()
}
