package record

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tfos/internal/exit"
	"tfos/internal/store"
)

// A record in cluster mode: its launcher makes it, its driver takes it over, and who follows
// the run may have to conclude it.

// ErrAdopted says that a driver has begun, or that the run has ended.
var ErrAdopted = errors.New("a driver of this run has begun already")

// ErrTaken says that another launcher submits the run.
var ErrTaken = errors.New("another launcher submits this run")

// Adopt opens the record of a run that its launcher has made, for the run's driver in the
// cluster. Config.Run has only Writer, and Files is nil. A second driver of the run, as
// YARN starts one after the first has died, gets ErrAdopted: the run is not begun twice.
func Adopt(ctx context.Context, c Config) (*Writer, error) {
	c.Dir = strings.TrimSuffix(c.Dir, "/")
	run, err := changeRun(ctx, c, func(run *Run) error {
		if run.Adopted || run.State != Running {
			return ErrAdopted
		}
		run.Writer, run.Adopted = c.Run.Writer, true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("record: adopt %s: %w", c.Dir, err)
	}
	w := &Writer{c: c, run: run, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.writeUntilFinish(context.WithoutCancel(ctx))
	return w, nil
}

// Remake makes the record of a run in a cluster anew, to submit the run again: its launcher,
// the process from, has died and no driver has begun. Otherwise the error is ErrAdopted or
// ErrTaken.
func Remake(ctx context.Context, c Config, from Process) (Run, error) {
	c.Dir = strings.TrimSuffix(c.Dir, "/")
	run, err := changeRun(ctx, c, func(run *Run) error {
		switch {
		case run.Adopted || run.State != Running:
			return ErrAdopted
		case run.Writer != from:
			return ErrTaken
		}
		err := c.Store.Remove(ctx, c.Dir+"/"+stopFile)
		for name, data := range c.Files {
			if err == nil {
				err = store.WriteFile(ctx, c.Store, c.Dir+"/"+name, data)
			}
		}
		*run = c.begun()
		return err
	})
	if err != nil {
		return run, fmt.Errorf("record: make %s again: %w", c.Dir, err)
	}
	return run, nil
}

// lockPatience is how long a killed process may hold the lock of a run.json on a store.
const lockPatience = 70 * time.Second

// changeRun replaces run.json by what change makes of it, unless that is an error. One process
// at a time does so.
func changeRun(ctx context.Context, c Config, change func(*Run) error) (Run, error) {
	path := c.Dir + "/" + runFile
	if _, err := readJSON[Run](ctx, c.Store, path); err != nil { // a lock would be made where no record is
		return Run{}, err
	}
	lock, err := store.AwaitLock(ctx, c.Store, c.Dir+"/"+lockFile, lockPatience)
	if err != nil {
		return Run{}, err
	}
	run, err := readJSON[Run](ctx, c.Store, path)
	if err == nil {
		err = change(run)
	}
	if err == nil {
		err = writeJSON(ctx, c.Store, path, run)
	}
	if err = errors.Join(err, lock.Remove(context.WithoutCancel(ctx))); err != nil {
		return Run{}, err
	}
	return *run, nil
}

// Conclude writes the verdict on a run whose driver in the cluster has ended without one. A
// verdict that is there already stays, but for one that says no more than that the driver
// was interrupted.
func Conclude(ctx context.Context, s store.Store, dir string, now time.Time, v Verdict) error {
	dir = strings.TrimSuffix(dir, "/")
	run, err := readJSON[Run](ctx, s, dir+"/"+runFile)
	if err != nil {
		return fmt.Errorf("record: conclude %s: %w", dir, err)
	}
	there, err := readJSON[Verdict](ctx, s, dir+"/"+verdictFile)
	if err == nil && there.Code != exit.Interrupted {
		return nil
	}
	w := Writer{c: Config{Store: s, Dir: dir, Now: func() time.Time { return now }}, run: *run, closed: true, done: make(chan struct{})}
	close(w.done)
	w.run.Outputs = nil // Finish adds those of the verdict
	return w.Finish(ctx, v)
}
