package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"

	"tfos/internal/node"
)

// member is a child process `tfos-node run`.
type member struct {
	cmd    *exec.Cmd
	output io.ReadCloser // closing it tells the member that its driver is gone
}

// startMember starts the supervisor of a member. It passes the assignment on standard
// input, because the assignment has credentials.
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

// wait waits for the member's end, and returns its cause in one line.
func (m *member) wait() string {
	out, _ := io.ReadAll(io.LimitReader(m.output, 1<<20)) // only adds to the message: the process state is the cause
	_ = m.cmd.Wait()
	var summary node.Summary
	_ = json.Unmarshal(out, &summary)
	cause := "tfos-node run ended: " + m.cmd.ProcessState.String()
	if summary.Cause != "" {
		cause += ": " + summary.Cause
	}
	return cause
}

// closeOutput tells the member that its driver is gone.
func (m *member) closeOutput() { _ = m.output.Close() }
