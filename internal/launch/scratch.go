package launch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tfos/internal/exit"
)

// Folders inside the scratch folder.
const (
	tmpFolder   = "tmp"   // TMPDIR
	localFolder = "spark" // Spark's blocks, under local masters
	homeFolder  = "home"  // SPARK_HOME of local-cluster masters
	filesFolder = "files" // copies of the user's files
)

// Scratch is a run's temporary folder, mode 0700. Its path is short, because
// paths of Unix sockets in it are limited to 108 bytes.
type Scratch struct{ Dir string }

// NewScratch makes the folder tfos-<run> in tmp, or in the system's temporary
// folder if tmp is "". An existing folder is an error.
func NewScratch(tmp, run string) (Scratch, error) {
	s := Scratch{Dir: ScratchDir(tmp, run)}
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		return Scratch{}, fail(exit.Internal, "scratch", "make the scratch folder: %w", err)
	}
	for _, name := range []string{tmpFolder, localFolder, filesFolder} {
		if err := os.Mkdir(filepath.Join(s.Dir, name), 0o700); err != nil {
			return Scratch{}, errors.Join(fail(exit.Internal, "scratch", "make the scratch folder: %w", err), os.RemoveAll(s.Dir))
		}
	}
	return s, nil
}

// ScratchDir returns the path of the folder that NewScratch makes.
func ScratchDir(tmp, run string) string {
	if tmp == "" {
		tmp = os.TempDir()
	}
	return filepath.Join(tmp, "tfos-"+run)
}

// Path returns the path of a file in the folder.
func (s Scratch) Path(name string) string { return filepath.Join(s.Dir, name) }

// Write creates a file with r's content. An existing file is an error.
func (s Scratch) Write(name string, mode fs.FileMode, r io.Reader) (err error) {
	f, err := os.OpenFile(s.Path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err == nil {
		_, err = io.Copy(f, r)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fail(exit.Internal, "scratch", "write %s: %w", name, err)
	}
	return nil
}

// SparkHome makes a Spark home that links to the real one but has its own work
// folder, and returns its path. local-cluster masters write their executors'
// folders to $SPARK_HOME/work, and no setting changes that (LocalSparkCluster
// passes no path to Worker.createWorkDir). Otherwise the folders would stay
// behind, and concurrent runs would share them.
func (s Scratch) SparkHome(home string) (string, error) {
	farm := s.Path(homeFolder)
	entries, err := os.ReadDir(home)
	if err == nil {
		err = os.MkdirAll(filepath.Join(farm, "work"), 0o700)
	}
	for _, e := range entries {
		if err == nil && e.Name() != "work" {
			err = os.Symlink(filepath.Join(home, e.Name()), filepath.Join(farm, e.Name()))
		}
	}
	if err != nil {
		return "", fail(exit.Internal, "scratch", "make a Spark home: %w", err)
	}
	return farm, nil
}

// Remove deletes the folder. A dying process may still write to it, so Remove
// tries again for up to patience.
func (s Scratch) Remove(patience time.Duration) error {
	err := retry(patience, func() error { return os.RemoveAll(s.Dir) })
	if err != nil {
		return fmt.Errorf("launch: remove the scratch folder: %w", err)
	}
	return nil
}

// retry calls f every 50 ms until it succeeds, for up to patience, and at least
// once.
func retry(patience time.Duration, f func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil || !time.Now().Before(deadline) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
