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

// Scratch is a run's temporary folder, mode 0700. Its path is short: unix
// sockets lie below it and their paths end at 108 bytes.
type Scratch struct{ Dir string }

// NewScratch makes tfos-<run> in tmp, which may be "" for the system's. It
// fails when the folder is there already.
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

// ScratchDir is the path that NewScratch makes.
func ScratchDir(tmp, run string) string {
	if tmp == "" {
		tmp = os.TempDir()
	}
	return filepath.Join(tmp, "tfos-"+run)
}

// Path of a file in the folder.
func (s Scratch) Path(name string) string { return filepath.Join(s.Dir, name) }

// Write makes a file of r's content.
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

// SparkHome makes a Spark home of links to the real one, but with a work
// folder of its own, and returns its path. local-cluster masters write their
// executors' folders to $SPARK_HOME/work and nothing can tell them otherwise
// (Worker.createWorkDir gets no path from LocalSparkCluster): they would stay
// behind, and two runs at once would share them.
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

// Remove deletes the folder. A process that ends just now may still write to
// it, so it is tried again for up to patience.
func (s Scratch) Remove(patience time.Duration) error {
	err := retry(patience, func() error { return os.RemoveAll(s.Dir) })
	if err != nil {
		return fmt.Errorf("launch: remove the scratch folder: %w", err)
	}
	return nil
}

// retry calls f until it succeeds, every 50 ms for up to patience, once at least.
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
