package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/proc"
	"tfos/internal/store"
)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}

func newClock() *clock { return &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func configOf(dir string, s store.Store, c *clock) Config {
	return Config{
		Store: s, Dir: dir, Now: c.now, Warn: func(error) {},
		Run:   Run{ID: "r1", Kind: "train", Job: "job", Master: "yarn", Writer: Process{"h", proc.ID{PID: 7, Space: "boot/ns", Start: "123"}}},
		Files: map[string][]byte{"plan.json": []byte("{}\n"), "command.txt": []byte("spark-submit\n")},
	}
}

func alive(Process) bool { return true }
func dead(Process) bool  { return false }

func create(t *testing.T, c Config) *Writer {
	t.Helper()
	w, err := Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func status(t *testing.T, dir string, alive func(Process) bool) Status {
	t.Helper()
	s, err := Read(t.Context(), store.Local{}, dir, alive)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWriter(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	state := filepath.Join(t.TempDir(), "state")
	dir := state + "/runs/r1"
	s, err := store.ForOwner(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := newClock()
	w := create(t, configOf(dir, s, c))
	if got := status(t, dir, alive); got.State != Running || got.Run.Master != "yarn" || got.Run.Writer.PID != 7 || got.Last.Name != "" {
		t.Errorf("a new record: %+v", got)
	}
	if _, err := Create(t.Context(), configOf(dir, s, c)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second record of the run: %v", err)
	}
	c.advance(time.Second)
	w.Event(Context{"app-1", "spark://m", "3.5.9", "http://h:4040", ""})
	for end := time.Now().Add(10 * time.Second); status(t, dir, alive).Run.Application != "app-1"; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("run.json has no application id while the run goes on")
		}
	}
	w.Event(Verdict{Code: exit.Done})
	c.advance(time.Second)
	if err := w.Finish(t.Context(), Verdict{Run: "r1", Artifacts: []Artifact{{"saved_model", "/m"}}}); err != nil {
		t.Fatal(err)
	}
	w.Event(Warning{"after the end"})
	want := map[string]string{
		"plan.json":   "{}\n",
		"command.txt": "spark-submit\n",
		"events.jsonl": `{"time":"2026-01-02T03:04:06.000Z","event":"context","application":"app-1","master":"spark://m","spark_version":"3.5.9","tracking_url":"http://h:4040"}
{"time":"2026-01-02T03:04:06.000Z","event":"verdict","code":0,"cause":"","phase":"","member":"","host":"","exit_code":0,"signal":0,"stderr":[],"log_path":"","retryable":false,"rows":{"read":0,"trained":0,"dropped":0,"quarantined":0},"feeds":[],"artifacts":[]}
`,
		"run.json": `{
  "version": 1,
  "id": "r1",
  "kind": "train",
  "job": "job",
  "state": "succeeded",
  "started": "2026-01-02T03:04:05Z",
  "ended": "2026-01-02T03:04:07Z",
  "application": "app-1",
  "master": "spark://m",
  "tracking_url": "http://h:4040",
  "writer": {
    "host": "h",
    "pid": 7,
    "space": "boot/ns",
    "start": "123"
  },
  "outputs": [
    {
      "kind": "saved_model",
      "path": "/m"
    }
  ]
}
`,
	}
	for name, content := range want {
		if got := text(t, dir+"/"+name); got != content {
			t.Errorf("%s is\n%swant\n%s", name, got, content)
		}
	}
	if got := status(t, dir, dead); got.State != Succeeded || got.Verdict == nil || got.Verdict.Run != "r1" || got.Last.Name != "verdict" {
		t.Errorf("at the end: %+v", got)
	}
	err = filepath.WalkDir(state, func(path string, entry fs.DirEntry, err error) error {
		info, _ := entry.Info()
		if most := map[bool]fs.FileMode{true: 0o700, false: 0o600}[entry.IsDir()]; info.Mode().Perm() != most {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if strings.HasPrefix(entry.Name(), ".") {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Of repeating events only some are written. The newest is written before the next other
// event.
func TestProgressIsThinned(t *testing.T) {
	c, dir := newClock(), t.TempDir()+"/r"
	w := create(t, configOf(dir, store.Local{}, c))
	for n := range 25 {
		w.Event(Progress{Splits: int64(n)})
		c.advance(time.Second)
	}
	w.Event(Warning{"slow"})
	w.Event(Progress{Splits: 99})
	if err := w.Finish(t.Context(), Verdict{Code: exit.Failed}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(text(t, dir+"/events.jsonl")) {
		entry, ok := parseEntry([]byte(line))
		if !ok {
			t.Fatalf("line %q", line)
		}
		got = append(got, fmt.Sprint(entry.Event))
	}
	want := "{[] [] 0 0 0 0 0 <nil> [] []} {[] [] 10 0 0 0 0 <nil> [] []} {[] [] 20 0 0 0 0 <nil> [] []} {[] [] 24 0 0 0 0 <nil> [] []} {slow} {[] [] 99 0 0 0 0 <nil> [] []}"
	if strings.Join(got, " ") != want {
		t.Errorf("events %s\nwant   %s", strings.Join(got, " "), want)
	}
}

// blocked is a store whose Append waits, and then fails as long as full is set.
type blocked struct {
	store.Store
	open chan struct{}
	full func() bool
}

func (b blocked) Append(ctx context.Context, path string, data []byte) error {
	if filepath.Base(path) != eventsFile {
		return b.Store.Append(ctx, path, data)
	}
	<-b.open
	if b.full() {
		_ = b.Store.Append(ctx, path, data[:len(data)/2])
		return syscall.ENOSPC
	}
	return b.Store.Append(ctx, path, data)
}

// Event does not wait for a slow store. Progress does not pile up meanwhile.
func TestEventDoesNotBlock(t *testing.T) {
	c, dir := newClock(), t.TempDir()+"/r"
	b := blocked{store.Local{}, make(chan struct{}), func() bool { return false }}
	w := create(t, configOf(dir, b, c))
	table := strings.Repeat("x", 1<<10)
	for n := range 3000 {
		w.Event(Waiting{Missing: []string{table}, Seconds: float64(n)})
		c.advance(repeatEvery)
	}
	w.mu.Lock()
	if len(w.pending) > 2*maxPending {
		t.Errorf("%d bytes wait", len(w.pending))
	}
	w.mu.Unlock()
	close(b.open)
	if err := w.Finish(t.Context(), Verdict{}); err != nil {
		t.Fatal(err)
	}
	if last, ok := status(t, dir, dead).Last.Event.(Waiting); !ok || last.Seconds != 2999 {
		t.Errorf("last event %v", last.Seconds)
	}
}

// A full disk costs events, one warning, and nothing else.
func TestFullDisk(t *testing.T) {
	c, dir := newClock(), t.TempDir()+"/r"
	var mu sync.Mutex
	fails, warnings := 2, []string{}
	b := blocked{store.Local{}, make(chan struct{}), func() bool {
		mu.Lock()
		defer mu.Unlock()
		fails--
		return fails >= 0
	}}
	config := configOf(dir, b, c)
	config.Warn = func(err error) { warnings = append(warnings, err.Error()) }
	w := create(t, config)
	for n := range 3 {
		w.Event(Driver{PID: n})
		b.open <- struct{}{} // one write a time
	}
	close(b.open)
	if err := w.Finish(t.Context(), Verdict{}); err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "no space left") {
		t.Errorf("warnings %q", warnings)
	}
	if got := status(t, dir, dead); got.Last.Event != (Driver{PID: 2}) || got.State != Succeeded {
		t.Errorf("%+v", got)
	}
}

// noFiles is a store that no longer makes new files.
type noFiles struct {
	store.Store
	full *bool
}

func (n noFiles) Create(ctx context.Context, path string) (store.File, error) {
	if *n.full {
		return nil, syscall.ENOSPC
	}
	return n.Store.Create(ctx, path)
}

func (n noFiles) Append(ctx context.Context, path string, data []byte) error {
	if *n.full && filepath.Base(path) != eventsFile {
		return syscall.ENOSPC
	}
	return n.Store.Append(ctx, path, data)
}

// Finish returns an error if it cannot write the verdict. The driver's verdict is among
// the events.
func TestFinishOnFullDisk(t *testing.T) {
	full, dir := false, t.TempDir()+"/r"
	w := create(t, configOf(dir, noFiles{store.Local{}, &full}, newClock()))
	full = true
	w.Event(Verdict{Code: exit.BadData})
	if err := w.Finish(t.Context(), Verdict{Code: exit.BadData}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Finish: %v", err)
	}
	if got := status(t, dir, dead); got.State != Failed || got.Verdict.Code != exit.BadData {
		t.Errorf("%+v", got)
	}
	if got := status(t, dir, alive); got.State != Running {
		t.Errorf("while the writer lives: %+v", got)
	}
}

func TestCreateFails(t *testing.T) {
	root, full := t.TempDir(), true
	if _, err := Create(t.Context(), configOf(root+"/r", noFiles{store.Local{}, &full}, newClock())); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Create: %v", err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestRead(t *testing.T) {
	driver, verdict, warning := `{"event":"driver","pid":1}`+"\n", `{"event":"verdict","code":5}`+"\n", `{"event":"warning","message":"m"}`+"\n"
	long := strings.Repeat(`{"event":"warning","message":"`+strings.Repeat("x", 50<<10)+"\"}\n", 5)
	for name, tt := range map[string]struct {
		run, events, verdict string
		alive                bool
		want                 State
		last                 string
	}{
		"running":                              {run: `{"version":1,"state":"running","later":1}`, alive: true, events: driver, want: Running, last: "driver"},
		"running, judged":                      {run: `{"version":1,"state":"running"}`, alive: true, events: verdict, want: Running, last: "verdict"},
		"lost":                                 {run: `{"version":1,"state":"running"}`, want: Lost},
		"lost, half a line":                    {run: `{"version":1,"state":"running"}`, events: driver + `{"event":"verdict","code":0`, want: Lost, last: "driver"},
		"lost, lines of a full disk":           {run: `{"version":1,"state":"running"}`, events: driver + "{\"ev\n\n", want: Lost, last: "driver"},
		"lost, a later event":                  {run: `{"version":1,"state":"running"}`, events: driver + "{\"event\":\"later\"}\n", want: Lost, last: "later"},
		"the driver's verdict":                 {run: `{"version":1,"state":"running"}`, events: driver + verdict, want: Failed, last: "verdict"},
		"the driver's verdict, far before":     {run: `{"version":1,"state":"running"}`, events: verdict + long + warning, want: Failed, last: "warning"},
		"a long line":                          {run: `{"version":1,"state":"running"}`, events: driver + strings.Replace(warning, "m\"}", strings.Repeat("x", 3*lastBytes)+"\"}", 1), want: Lost, last: "warning"},
		"a verdict, and run.json not up to it": {run: `{"version":1,"state":"running"}`, verdict: `{"code":0}`, alive: true, want: Succeeded},
		"the launcher overrules the driver":    {run: `{"version":1,"state":"failed"}`, events: `{"event":"verdict","code":0}` + "\n", verdict: `{"code":8}`, want: Failed, last: "verdict"},
		"no verdict could be kept":             {run: `{"version":1,"state":"succeeded"}`, want: Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, data := range map[string]string{runFile: tt.run, eventsFile: tt.events, verdictFile: tt.verdict} {
				if data != "" {
					if err := os.WriteFile(dir+"/"+file, []byte(data), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := status(t, dir+"/", func(Process) bool { return tt.alive })
			if got.State != tt.want || got.Last.Name != tt.last {
				t.Errorf("state %s, last event %q; want %s, %q", got.State, got.Last.Name, tt.want, tt.last)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(t.Context(), store.Local{}, dir, dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no record: %v", err)
	}
	if err := os.WriteFile(dir+"/run.json", []byte(`{"state":"running"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), store.Local{}, dir, dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another program's run.json: %v", err)
	}
	for _, run := range []string{`{"version":2}`, `{`} {
		if err := os.WriteFile(dir+"/run.json", bytes.TrimSpace([]byte(run)), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Read(t.Context(), store.Local{}, dir, dead); err == nil {
			t.Errorf("%s: %+v", run, s)
		}
	}
}
