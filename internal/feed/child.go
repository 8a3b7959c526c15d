package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"

	"tfos/internal/exit"
)

// Child is a program's connection to its member, for programs in Go. Its
// reports may be sent concurrently.
type Child struct {
	conn    net.Conn
	context ProgramContext
	mu      sync.Mutex // serializes frames
}

// Attach connects to the member's socket (TFOS_SOCKET) and sends ATTACH. The
// end of ctx ends the attempt, but not an established connection. The caller
// closes the Child.
func Attach(ctx context.Context, socketPath string) (*Child, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socketPath)
	if err != nil {
		return nil, fmt.Errorf("feed: attach: %w", err)
	}
	c := &Child{conn: conn}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = WriteJSON(conn, TypeAttach, AttachRequest{PID: os.Getpid(), Version: Version})
	if err == nil {
		err = ReadJSON(conn, TypeContext, &c.context)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("feed: attach: %w", cause(ctx, err))
	}
	return c, nil
}

// Context returns the member's answer to ATTACH: the program's task.
func (c *Child) Context() ProgramContext { return c.context }

// Phase reports where the program is: importing, running, exporting, ended.
func (c *Child) Phase(phase string) error { return c.send(TypePhase, PhaseReport{Phase: phase}) }

// Failed announces a non-zero exit. cause is one line. code is the exit code of
// the run; 0 means 5, a program's failure.
func (c *Child) Failed(phase, cause string, code exit.Code) error {
	return c.send(TypeFailed, Failure{Phase: phase, Cause: cause, Code: code})
}

// Warn sends a warning of one line to the person who runs the job.
func (c *Child) Warn(text string) error {
	return c.send(TypeNote, Note{Kind: NoteWarning, Text: text})
}

// Progress reports totals of an inference job.
func (c *Child) Progress(splits, rows, bytes int64) error {
	return c.send(TypeProgress, ProgressReport{Splits: splits, Rows: rows, Bytes: bytes})
}

// Training reports how far the training of a graph program is.
func (c *Child) Training(p TrainingProgress) error {
	return c.send(TypeProgress, ProgressReport{Training: &p})
}

// Result sends an inference job's result, an infer.Result.
func (c *Child) Result(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("feed: encode result: %w", err)
	}
	return c.send(TypeResult, json.RawMessage(b))
}

// Close ends the connection.
func (c *Child) Close() error { return c.conn.Close() }

func (c *Child) send(typ byte, v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := WriteJSON(c.conn, typ, v); err != nil {
		return fmt.Errorf("feed: report: %w", err)
	}
	return nil
}

// AwaitTrainingEnd reads frames until TRAINING_ENDED, which follows PHASE evaluating. It
// returns an error if the connection ends earlier.
func (c *Child) AwaitTrainingEnd() error {
	return c.await(TypeTrainingEnded, "wait for the end of the training")
}

// AwaitEnd reads frames until EPOCH_END, which says that all rows were sent. It
// is for programs without feeds of their own. It returns an error if the
// connection ends earlier.
func (c *Child) AwaitEnd() error { return c.await(TypeEpochEnd, "wait for the end of the rows") }

func (c *Child) await(wanted byte, doing string) error {
	for {
		typ, _, err := ReadFrame(c.conn)
		if err != nil {
			return fmt.Errorf("feed: %s: %w", doing, truncated(err))
		}
		if typ == wanted {
			return nil
		}
	}
}
