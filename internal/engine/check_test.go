package engine_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// checks is a Python that runs testdata/check.py: one for all tests, which saves imports.
var checks checker

type checker struct {
	start sync.Once
	asks  sync.Mutex
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *json.Decoder
	err   error
}

// ask has Python call one of its functions. It fails the test if Python fails.
func (c *checker) ask(t *testing.T, function string, arguments ...any) json.RawMessage {
	t.Helper()
	c.start.Do(c.begin)
	c.asks.Lock()
	defer c.asks.Unlock()
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  string          `json:"error"`
	}
	if c.err == nil {
		c.err = json.NewEncoder(c.in).Encode(append([]any{function}, arguments...))
	}
	if c.err == nil {
		c.err = c.out.Decode(&answer)
	}
	if c.err != nil {
		t.Fatalf("testdata/check.py: %v", c.err)
	}
	if answer.Error != "" {
		t.Fatalf("testdata/check.py: %s", answer.Error)
	}
	return answer.Result
}

func (c *checker) begin() {
	c.cmd = pythonCommand(context.Background(), "testdata/check.py")
	c.cmd.Stderr = os.Stderr
	if c.in, c.err = c.cmd.StdinPipe(); c.err != nil {
		return
	}
	out, err := c.cmd.StdoutPipe()
	if c.err = err; err == nil {
		c.out, c.err = json.NewDecoder(out), c.cmd.Start()
	}
}

// end lets Python end, if it has begun.
func (c *checker) end() {
	if c.in != nil {
		_ = c.in.Close()
		_ = c.cmd.Wait()
	}
}

// report compares outputs with expected ones.
type report struct {
	Rows        int               `json:"rows"`
	PandasRows  int               `json:"pandas_rows"`
	Schema      map[string]string `json:"schema"`
	Order       []string          `json:"order"`
	Differences map[string]any    `json:"differences"`
}

// compare has Python compare the outputs with its own predictions.
func compare(t *testing.T, expected string, outputs ...string) report {
	t.Helper()
	var r report
	if err := json.Unmarshal(checks.ask(t, "compare", expected, outputs), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// checkpointsHave has Python read keys, each of a checkpoint.
func checkpointsHave(t *testing.T, keys map[string]string) {
	t.Helper()
	checks.ask(t, "read", keys)
}
