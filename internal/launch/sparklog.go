package launch

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// sparkLog is the file for spark-submit's standard error and for the driver's
// output without events.
func (c *Config) sparkLog() string { return filepath.Join(c.Record, "spark.log") }

// lossyFile is a file whose write errors do not stop its writers: a full disk
// must not fail a run.
type lossyFile struct {
	*os.File
	mu  sync.Mutex
	err error // the first one
}

func (f *lossyFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.File.Write(p); f.err == nil {
		f.err = err
	}
	return len(p), nil
}

// Close closes the file. It returns the first error: the file may then be
// incomplete.
func (f *lossyFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.File.Close(); f.err == nil && !errors.Is(err, os.ErrClosed) {
		f.err = err
	}
	return f.err
}
