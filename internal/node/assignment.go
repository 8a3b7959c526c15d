package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"tfos/internal/feed"
	"tfos/internal/reserve"
)

// readAssignment reads the one line that a member's Spark task sends, and checks it. It
// returns when ctx ends. The reading goroutine then lives until the process ends.
func readAssignment(ctx context.Context, r io.Reader) (Assignment, error) {
	type read struct {
		line []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		line, err := bufio.NewReader(r).ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) > 0 {
			err = nil // the last line may lack its newline
		}
		done <- read{line, err}
	}()
	var a Assignment
	select {
	case got := <-done:
		if got.err != nil {
			return a, fmt.Errorf("node: read the assignment: %w", got.err)
		}
		if err := json.Unmarshal(got.line, &a); err != nil {
			return a, fmt.Errorf("node: read the assignment: %w", err)
		}
	case <-ctx.Done():
		return a, fmt.Errorf("node: read the assignment: %w", context.Cause(ctx))
	}
	return a, a.check()
}

// check returns an error that names every missing or wrong field. Such an assignment
// comes from a driver of another version than this binary.
func (a Assignment) check() error {
	var faults []error
	for _, field := range [][2]string{
		{"config.run", a.Config.Run}, {"job", a.Job}, {"server", a.Server}, {"token", a.Token},
	} {
		if field[1] == "" {
			faults = append(faults, errors.New(field[0]+" is empty"))
		}
	}
	if a.Index < 0 {
		faults = append(faults, fmt.Errorf("index is %d", a.Index))
	}
	switch a.Config.Child.Kind {
	case childPython:
	case childEngine:
		if a.Config.Child.Engine == "" {
			faults = append(faults, errors.New("config.child.engine is empty"))
		}
	default:
		faults = append(faults, fmt.Errorf("config.child.kind %q is not %s or %s", a.Config.Child.Kind, childPython, childEngine))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("node: check the assignment: %w", errors.Join(faults...))
}

// feeds returns the configurations of the member's feeds.
func (a Assignment) feeds() []feed.Config {
	out := []feed.Config{}
	for _, f := range a.Config.Feeds {
		if slices.Contains(a.Feeds, f.Name) {
			out = append(out, f)
		}
	}
	return out
}

func (a Assignment) credentials() reserve.Credentials {
	return reserve.Credentials{Server: a.Server, CA: a.CA, Cert: a.Cert, Key: a.Key, Token: a.Token}
}
