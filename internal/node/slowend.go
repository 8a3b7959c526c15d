package node

import (
	"fmt"
	"time"

	"tfos/internal/reserve"
)

// exitNotice is how long a process may take to end after its program before a
// person is told what the run waits for.
const exitNotice = 5 * time.Second

// warnOfSlowEnd says that the run waits for a process whose program has ended.
func (m *member) warnOfSlowEnd() {
	how := "has returned"
	if f := m.said.summary().failure; f != nil {
		how = "has failed (" + oneLine(f.Cause) + ")"
	}
	m.said.note(reserve.Note{Kind: reserve.NoteWarning, Text: fmt.Sprintf(
		"its program %s, but its process has not ended for %s: its threads, atexit hooks and open files have %s (timeouts.exit), then it is ended",
		how, exitNotice, m.Config.Exit())})
	m.client.Renew()
}
