package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"

	"tfos/internal/node"
)

// member is a `tfos-node run`.
type member struct {
	cmd    *exec.Cmd
	output io.ReadCloser // its end tells the member that this process is gone
}

// startMember starts the supervisor of a member, which reads who it is from
// its standard input: credentials stand nowhere else.
func startMember(binary string, a node.Assignment, stderr io.Writer) (*member, error) {
	line, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("local: write the assignment: %w", err)
	}
	cmd := exec.Command(binary, "run")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(append(line, '\n')), stderr
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("local: start the member: %w", err)
	}
	return &member{cmd, output}, nil
}

// wait returns why the member ended, in a line.
func (m *member) wait() string {
	out, _ := io.ReadAll(io.LimitReader(m.output, 1<<20)) // what it says is a help; how it ended counts
	_ = m.cmd.Wait()
	var said node.Summary
	_ = json.Unmarshal(out, &said)
	cause := "tfos-node run ended: " + m.cmd.ProcessState.String()
	if said.Cause != "" {
		cause += ": " + said.Cause
	}
	return cause
}

// leave lets the member see that its driver is gone.
func (m *member) leave() { _ = m.output.Close() }
