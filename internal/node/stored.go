package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tfos/internal/mirror"
	"tfos/internal/model"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

// StoredOutput is an output on a store. Programs and TensorFlow write local files: the
// child writes to a local folder, and the member uploads that when the child has ended.
// The run gives the output its name (internal/work).
type StoredOutput struct {
	Kind string `json:"kind"` // export, results
	// URL is where the output is staged at the store. What the child writes beside the
	// local path, under its name with something appended, goes beside URL.
	URL string `json:"url"`
	// Mark is an empty file that goes up last, in a folder without a SavedModel: the
	// folder is then complete. "": there is none.
	Mark string `json:"mark,omitempty"`
	// Dir is the absolute local folder that the child's path is in. "": the member makes
	// one.
	Dir string `json:"dir,omitempty"`
}

// Kinds of StoredOutput.
const (
	StoredExport  = "export"  // a model, of the chief alone
	StoredResults = "results" // rows, of any member
)

// storedOutput is a StoredOutput of this member.
type storedOutput struct {
	StoredOutput
	store store.Store
	kept  bool // the local folder has what could not be uploaded
}

// path is where the child writes.
func (o *storedOutput) path() string { return filepath.Join(o.Dir, path.Base(o.URL)) }

// tree is what is uploaded.
func (o *storedOutput) tree() mirror.Tree {
	last := []string{model.SavedModelFile, model.SavedModelText}
	if o.Mark != "" {
		last = append(last, o.Mark)
	}
	return mirror.Tree{Store: o.store, Dir: o.Dir, URL: store.Dir(o.URL), Name: path.Base(o.URL), Last: last}
}

// firstMember returns the member that saves and exports: the chief, or worker 0 without one.
func firstMember(c reserve.Cluster) reserve.Place {
	for _, m := range c.Members {
		if m.Job == jobChief {
			return m.Place
		}
	}
	return reserve.Place{Job: jobWorker}
}

// openStored makes the local folders of the outputs on stores, and proves that this member
// can write to the stores.
func (m *member) openStored(ctx context.Context, c reserve.Cluster) error {
	for _, output := range m.Config.Outputs {
		if output.Kind == StoredExport && m.place != firstMember(c) {
			continue
		}
		o := &storedOutput{StoredOutput: output}
		err := m.openOutput(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", o.key(), err)
		}
		m.mu.Lock()
		m.stored = append(m.stored, o)
		m.mu.Unlock()
	}
	return nil
}

// key is the key of the job file that names the output.
func (o *storedOutput) key() string {
	if o.Kind == StoredExport {
		return "export_dir"
	}
	return "output.path"
}

func (m *member) openOutput(ctx context.Context, o *storedOutput) (err error) {
	if o.store, err = store.For(o.URL); err != nil {
		return err
	}
	if o.Dir == "" {
		if o.Dir, err = m.localFolder(o.Kind, true); err != nil {
			return err
		}
	}
	folder := store.Dir(o.URL)
	if err := o.store.Mkdir(ctx, folder); err != nil {
		return err
	}
	probe := fmt.Sprintf("%s/.probe-%s-%d", folder, m.Job, m.Index)
	return errors.Join(store.WriteFile(ctx, o.store, probe, nil), o.store.Remove(ctx, probe))
}

// localFolder makes a local folder for the child beside the program's working directory:
// there is room for what the job writes. If that cannot be written to, it is in the work
// folder. empty: what an earlier attempt has left is deleted.
func (m *member) localFolder(name string, empty bool) (string, error) {
	at := filepath.Join(m.files, fmt.Sprintf("tfos-%s-%d.%s", m.Job, m.Index, name))
	make := func(path string) error {
		if empty {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
		return os.MkdirAll(path, 0o755)
	}
	err := make(at)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		at = filepath.Join(m.guard.work, name)
		err = make(at)
	}
	if err != nil {
		return "", fmt.Errorf("node: make a local folder: %w", err)
	}
	return at, nil
}

// storedNow returns the member's outputs on stores.
func (m *member) storedNow() []*storedOutput {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stored
}

// storedPath returns the local path of an output on a store; "": there is none of this kind.
func (m *member) storedPath(kind string) string {
	for _, o := range m.storedNow() {
		if o.Kind == kind {
			return o.path()
		}
	}
	return ""
}

// finishStored uploads what the child has written. If that fails, a success becomes a
// failure of code 7. After a failure exports go up too: they may be whole, and training may
// have cost days. within is how long the upload may take; 0: until a hard ending.
func (m *member) finishStored(o *reserve.Outcome, within time.Duration) {
	for _, output := range m.storedNow() {
		if o.Kind != reserve.Succeeded && output.Kind != StoredExport {
			continue
		}
		err := m.uploadOutput(output, within)
		if err == nil {
			continue
		}
		m.log.Error("node: upload an output", "url", output.URL, "error", err)
		m.uploadFailed(o, fmt.Sprintf("%s: %v: make it writable and start the job again; until Spark deletes the executor's folder, all files are in %s on %s",
			output.key(), err, m.keepFolder(output.Dir), m.host))
		output.kept = true
	}
}

func (m *member) uploadOutput(o *storedOutput, within time.Duration) error {
	began := time.Now()
	tree := o.tree()
	if others := tree.Others(); len(others) > 0 {
		m.program.addNote(reserve.Note{Kind: reserve.NoteWarning, Text: fmt.Sprintf(
			"%s: %s beside the given path: only names that begin with its name are uploaded", o.key(), strings.Join(others, ", "))})
	}
	size, err := tree.Size()
	if err != nil || size.Files == 0 {
		return err
	}
	if err := o.mark(); err != nil {
		return err
	}
	ctx, cancel := m.uploadContext()
	defer cancel()
	if within > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, within, fmt.Errorf("it took more than %s", within))
		defer cancel()
	}
	tree.Moved = func(n int) { m.uploaded.Add(int64(n)) }
	if size, err = tree.Upload(ctx); err != nil {
		return err
	}
	m.log.Info("node: an output went up", "url", o.URL, "files", size.Files, "bytes", size.Bytes, "seconds", time.Since(began).Seconds())
	return nil
}

// mark writes Mark into the folders that need it.
func (o *storedOutput) mark() error {
	if o.Mark == "" {
		return nil
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := filepath.Join(o.Dir, e.Name())
		if !e.IsDir() || isFile(store.Join(at, model.SavedModelFile)) || isFile(store.Join(at, model.SavedModelText)) {
			continue
		}
		if err := os.WriteFile(filepath.Join(at, o.Mark), nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// keepFolder keeps a local folder, beside the logs if they are on this machine, and
// returns its path.
func (m *member) keepFolder(dir string) string {
	if m.Config.LogDir == "" {
		return dir
	}
	path := filepath.Join(m.Config.LogDir, filepath.Base(dir))
	if err := os.Rename(dir, path); err != nil {
		m.warn("keep a local folder", err)
		return dir
	}
	return path
}

// closeStored deletes the local folders. No child runs.
func (m *member) closeStored() {
	for _, o := range m.storedNow() {
		if !o.kept {
			m.warn("delete the local folder of an output", os.RemoveAll(o.Dir))
		}
	}
}
