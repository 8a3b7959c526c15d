package mirror

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"tfos/internal/store"
)

// Mode is what a member does with model_dir.
type Mode string

const (
	// Write: what the program writes goes up, and what it deletes is deleted.
	Write Mode = "write"
	// Events: event files go up. Other files stay here.
	Events Mode = "events"
	// Follow: new checkpoints come down while the program runs. What the program writes
	// itself goes up.
	Follow Mode = "follow"
)

// Config says what is mirrored. The zero values of times are replaced by the defaults.
type Config struct {
	Store store.Store
	URL   string // of the folder at the store, without a slash at its end
	Dir   string // the local folder, absolute; New empties it
	Mode  Mode
	// Want is the prefix of a checkpoint that comes down, whatever the state file
	// names. "": none.
	Want string
	// Keep is how many checkpoints of this and earlier runs stay at the store. The
	// program does not have those of earlier runs but for the newest, and does not delete
	// them. 0: the state file alone decides.
	Keep int
	// Board has the event files of others come down, for a TensorBoard on the local
	// folder.
	Board bool
	// Uploader copies files to Store until Finish, which does so itself. nil: as Finish.
	Uploader Uploader
	// Moved is called with the number of bytes that were copied, by several goroutines. It may be
	// nil.
	Moved func(bytes int)
	Log   *slog.Logger

	Every       time.Duration // between two passes: 2 s
	Settle      time.Duration // how long a file is unchanged before it goes up: 10 s
	EventsEvery time.Duration // between two uploads of one event file, and looks for those of others: 30 s
}

const (
	defaultEvery       = 2 * time.Second
	defaultSettle      = 10 * time.Second
	defaultEventsEvery = 30 * time.Second
	// passShare and copyShare bound the time that passes, and uploads of one event file,
	// take: a fiftieth and a twentieth.
	passShare = 50
	copyShare = 20
)

// Mirror is a mirror of one folder. Its methods may be called concurrently: passes wait
// for each other.
type Mirror struct {
	Config

	mu        sync.Mutex // held by a pass
	finishing bool       // Finish was called
	known     map[string]known
	states    map[string]stateFile // by folder: what the store's state file says
	seen      map[string]version   // by name: what was brought down
	stored    map[string]bool      // indexes that the store has
	made      map[string]bool      // folders of the store that exist
	id        string               // in the names of its notes
	noted     map[string]bool      // folders of the store that have its note
	newest    map[string]string    // by folder: the checkpoint of its state file that the program has, or had last
	halves    map[string]bool      // checkpoints whose upload has failed: the store may have a part of them
	unnamed   map[string]string    // checkpoints that the store's state file no longer names: see unname
	due       map[string]time.Time // by event file: when it may go up again
	pending   map[string]time.Time // by new file: when it was first seen
	looked    time.Time            // when others' event files were looked for

	statusMu sync.Mutex
	status   Status
}

// known is a file that is alike on both sides.
type known struct {
	stamp
	owned bool
}

// version identifies the content of a file at the store.
type version struct {
	size     int64
	modified time.Time
}

// New makes the local folder, and empties one that an earlier attempt has left.
func New(c Config) (*Mirror, error) {
	if err := errors.Join(os.RemoveAll(c.Dir), os.MkdirAll(c.Dir, 0o755)); err != nil {
		return nil, fmt.Errorf("mirror: make the local folder of %s: %w", c.URL, err)
	}
	return newMirror(c), nil
}

// newMirror is New on the folder as it is.
func newMirror(c Config) *Mirror {
	if c.Every == 0 {
		c.Every = defaultEvery
	}
	if c.Settle == 0 {
		c.Settle = defaultSettle
	}
	if c.EventsEvery == 0 {
		c.EventsEvery = defaultEventsEvery
	}
	if c.Moved == nil {
		c.Moved = func(int) {}
	}
	return &Mirror{
		Config: c, known: map[string]known{}, states: map[string]stateFile{}, seen: map[string]version{}, stored: map[string]bool{},
		made: map[string]bool{}, id: rand.Text(), noted: map[string]bool{},
		newest: map[string]string{}, halves: map[string]bool{}, unnamed: map[string]string{}, due: map[string]time.Time{}, pending: map[string]time.Time{},
	}
}

// Run makes passes until ctx ends, and lets a pass end that it has begun, unless passes
// ends. An error is logged, stands in Status, and the next pass tries again.
func (m *Mirror) Run(ctx, passes context.Context) {
	pause := m.Every
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		began := time.Now()
		err := m.pass(passes)
		if passes.Err() != nil {
			return
		}
		m.setError(err)
		if err != nil {
			m.Log.Warn("mirror: a pass", "url", m.URL, "error", err)
		}
		pause = max(m.Every, passShare*time.Since(began))
		pause = min(pause, time.Minute)
	}
}

// pass brings down what this mode wants, and then uploads.
func (m *Mirror) pass(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.pullNews(ctx, false); err != nil {
		return err
	}
	return m.push(ctx, running)
}

// Pull brings down what is new at the store. The program sees it when Pull returns.
func (m *Mirror) Pull(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pullNews(ctx, true)
}

// Finish uploads everything that is not at the store yet. The program must have ended.
// clean says that it has returned: a checkpoint that looks torn then counts. Half of a
// checkpoint never goes up. The error names the first file that did not go up.
func (m *Mirror) Finish(ctx context.Context, clean bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.finishing = true
	e := killed
	if clean {
		e = ended
	}
	err := m.push(ctx, e)
	m.setError(err)
	return err
}

// at returns the URL of a name.
func (m *Mirror) at(name string) string { return strings.TrimSuffix(join(m.URL, name), "/") }

// here returns the local path of a name.
func (m *Mirror) here(name string) string { return join(m.Dir, name) }
