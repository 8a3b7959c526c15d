package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"tfos/internal/mirror"
	"tfos/internal/reserve"
	"tfos/internal/store"
)

// ModelConfig says where a training keeps its checkpoints, and who has what of them. If
// that is on a store, the program gets a local folder in its place, which package mirror
// keeps alike.
type ModelConfig struct {
	// Dir is model_dir: a URL, or a path. A path is on Spark's default file system for a
	// Python program.
	Dir string `json:"dir"`
	// Keep is how many checkpoints of a graph program stay. 0: the program decides.
	Keep int `json:"keep,omitempty"`
	// Independent says that each worker trains its own model.
	Independent bool `json:"independent,omitempty"`
	// Board says that TensorBoard runs on the chief's local folder.
	Board bool `json:"board,omitempty"`
}

// jobs of the cluster that mean something here.
const (
	jobPS     = "ps"
	jobChief  = "chief"
	jobWorker = "worker"
)

// mirrorMode returns what a member does with a model_dir on a store. ok is false for
// parameter servers: checkpoints are written and read by the chief.
func mirrorMode(p reserve.Place, c reserve.Cluster, independent bool) (mode mirror.Mode, ok bool) {
	switch {
	case p.Job == jobPS:
		return "", false
	case p.Job == reserve.Evaluator:
		return mirror.Follow, true
	case p == firstMember(c), independent:
		return mirror.Write, true
	}
	return mirror.Events, true
}

// modelURL returns the URL of model_dir; "": it is a path of this machine, or no store of
// tfos knows it. The program then gets it as it is.
func (m *member) modelURL() string {
	c := m.Config.Model
	if c == nil {
		return ""
	}
	url := c.Dir
	if !strings.Contains(url, "://") {
		base, _ := m.Config.Context["default_fs"].(string)
		if base == "" || strings.HasPrefix(base, "file:") {
			return ""
		}
		url = strings.TrimRight(base, "/") + url
	}
	if _, err := store.For(url); errors.Is(err, store.ErrUnsupported) {
		return ""
	}
	return strings.TrimRight(url, "/")
}

// modelDir is the member's local folder in the place of a model_dir on a store.
type modelDir struct {
	url  string // "": the program uses model_dir itself
	path string
	*mirror.Mirror
	uploads *uploads
	// stop has no other pass begin, abandon ends the one that runs, and stopped is closed
	// after the last.
	stop, abandon context.CancelFunc
	stopped       chan struct{}
	kept          bool // the local folder has what could not be uploaded
	warning       sync.Once
}

// phaseOutput is the phase of a member whose model_dir cannot be brought down, or whose
// outputs cannot be written to their stores. It is that of the same faults which the driver
// finds (internal/work).
const phaseOutput = "output"

// prepareFolders brings model_dir down, and makes the local folders of outputs on stores.
func (m *member) prepareFolders(ctx context.Context, c reserve.Cluster) error {
	if err := m.openStored(ctx, c); err != nil {
		return err
	}
	url := m.modelURL()
	if url == "" {
		return nil
	}
	if err := m.openModel(ctx, c, url); err != nil {
		return fmt.Errorf("model_dir: %w", err)
	}
	return nil
}

func (m *member) openModel(ctx context.Context, c reserve.Cluster, url string) error {
	s, err := store.For(url)
	if err != nil {
		return err
	}
	path, err := m.localFolder("model", false) // mirror.New empties it
	if err != nil {
		return err
	}
	d := &modelDir{url: url, path: path, uploads: &uploads{run: m.Config.Run, settings: m.Storage, stderr: m.stderr, log: m.log}}
	mode, mirrored := mirrorMode(m.place, c, m.Config.Model.Independent)
	if mirrored {
		d.Mirror, err = mirror.New(m.mirrorConfig(d, s, mode, c.Work))
	}
	if err == nil && mirrored {
		err = d.Fetch(ctx)
	}
	if err != nil {
		return err
	}
	if mirrored {
		begin, stop := context.WithCancel(ctx)
		passes, abandon := context.WithCancel(context.WithoutCancel(ctx))
		d.stop, d.abandon, d.stopped = stop, abandon, make(chan struct{})
		m.tasks.Go(func() {
			defer close(d.stopped)
			d.Run(begin, passes)
		})
		got := d.Status().Brought
		m.log.Info("node: model_dir came down", "url", url, "checkpoints", got.Checkpoints, "files", got.Files, "bytes", got.Bytes, "seconds", got.Seconds)
	}
	m.setModel(d)
	return nil
}

// mirrorConfig is the mirror's configuration. A worker of independent graph programs has a
// folder of its own in model_dir, where it alone writes.
func (m *member) mirrorConfig(d *modelDir, s store.Store, mode mirror.Mode, work []byte) mirror.Config {
	c := mirror.Config{
		Store: s, URL: d.url, Dir: d.path, Mode: mode, Keep: m.Config.Model.Keep, Board: m.Config.Model.Board && mode == mirror.Write,
		Uploader: d.uploads, Moved: func(n int) { m.uploaded.Add(int64(n)) }, Log: m.log,
	}
	var given struct {
		Resume *struct{ Prefix string }
	}
	if json.Unmarshal(work, &given) == nil && given.Resume != nil {
		c.Want = strings.TrimPrefix(given.Resume.Prefix, d.url+"/")
	}
	if m.Config.Child.Kind == childEngine && m.Config.Model.Independent && m.Index > 0 {
		own := fmt.Sprintf("/worker-%d", m.Index)
		c.URL, c.Dir, c.Want = d.url+own, d.path+own, ""
	}
	return c
}

func (m *member) setModel(d *modelDir) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.model = d
}

// modelNow returns the member's modelDir; nil: there is none yet.
func (m *member) modelNow() *modelDir {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.model
}

// mirrored is the mirror's state in a renewal and a report; nil: nothing is mirrored.
func (m *member) mirrored() *reserve.Mirrored {
	d := m.modelNow()
	if d == nil || d.Mirror == nil {
		return nil
	}
	s := d.Status()
	out := &reserve.Mirrored{
		URL: d.URL, Stored: s.Stored, Local: s.Local, Files: s.Files, Bytes: s.Bytes, Seconds: s.Seconds,
		AllFiles: s.AllFiles, AllBytes: s.AllBytes,
	}
	if n := len(s.Brought.Checkpoints); n > 0 {
		out.Brought = s.Brought.Checkpoints[n-1]
	}
	if s.Error != nil {
		out.Error = oneLine(s.Error.Error())
		if time.Since(s.Since) > mirrorPatience {
			d.warning.Do(func() {
				m.program.addNote(reserve.Note{Kind: reserve.NoteWarning, Text: "model_dir: nothing has gone up for a minute, and tfos tries on: " + out.Error})
			})
		}
	}
	return out
}

// mirrorPatience is how long passes fail before the user is warned, once. Tests shorten it.
var mirrorPatience = time.Minute

// pullModel brings down what is new before the evaluator learns that training has ended:
// the last checkpoint is among it.
func (m *member) pullModel(ctx context.Context) {
	d := m.modelNow()
	if d == nil || d.Mirror == nil {
		return
	}
	m.warn("bring down the last checkpoint", d.Pull(ctx))
}

// programModel returns the folder that the program uses, and the URL for which it stands;
// "": it uses model_dir itself.
func (m *member) programModel() (dir, url string) {
	if d := m.modelNow(); d != nil {
		return d.path, d.url
	}
	return "", ""
}

// programSettings returns the context of a Python program. Of a model_dir on a store it
// has the local folder, and the URL as model_url. Of outputs on stores it has the local
// paths.
func (m *member) programSettings() (json.RawMessage, error) {
	settings := m.Config.Context
	if parameters, ok := settings["parameters"].(map[string]any); ok {
		if dir, url := m.programModel(); url != "" {
			parameters = withValue(withValue(parameters, "model_dir", dir), "model_url", url)
		}
		if export := m.storedPath(StoredExport); export != "" {
			parameters = withValue(parameters, "export_dir", export)
		}
		settings = withValue(settings, "parameters", parameters)
	}
	if results := m.storedPath(StoredResults); results != "" {
		settings = withValue(settings, "output", results)
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("node: write the program's context: %w", err)
	}
	return text, nil
}

// withValue returns a copy of m with a value.
func withValue(m map[string]any, key string, value any) map[string]any {
	out := make(map[string]any, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	out[key] = value
	return out
}
