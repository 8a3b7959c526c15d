package reserve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"tfos/internal/store"
)

// A folder that dying processes may still write to is gone when it stayed away
// for scratchQuiet; after scratchPatience the rest is left.
const (
	scratchPause    = 100 * time.Millisecond
	scratchQuiet    = 1500 * time.Millisecond
	scratchPatience = 6 * time.Second
)

// launcherLives says whether the launcher, which removes its scratch folder
// itself, is still there. 0 is no launcher.
func launcherLives(pid int) bool {
	return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// removeScratch deletes the run's temporary folder, again and again while
// something is written into it. "" is no folder.
func removeScratch(ctx context.Context, path string) error {
	if path == "" {
		return nil
	}
	s, err := store.For(path)
	if err != nil {
		return err
	}
	began, gone := time.Now(), time.Time{}
	for {
		_, err := s.Stat(ctx, path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && gone.IsZero():
			gone = time.Now()
		case errors.Is(err, fs.ErrNotExist):
			if time.Since(gone) >= scratchQuiet {
				return nil
			}
		default:
			gone = time.Time{}
			err = s.Remove(ctx, path) // fails while files appear in it
		}
		if time.Since(began) > scratchPatience && gone.IsZero() {
			return fmt.Errorf("reserve: remove the run's temporary folder: %w", err)
		}
		if err := sleep(ctx, scratchPause); err != nil {
			return err
		}
	}
}
