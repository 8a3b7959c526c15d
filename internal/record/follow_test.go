package record

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tfos/internal/exit"
	"tfos/internal/store"
)

// inCluster makes the record of a run in a cluster, as its launcher does.
func inCluster(t *testing.T) Config {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "r")
	at, err := store.For(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Store: at, Dir: dir, Run: Run{ID: "r", InCluster: true}, Now: time.Now, Warn: func(err error) { t.Error(err) }}
	w, err := Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	w.Leave()
	return c
}

// One driver writes the record. A second one is refused, before and after the run's end.
func TestAdoptOnce(t *testing.T) {
	c := inCluster(t)
	w, err := Adopt(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	w.Event(Context{Application: "app-1"})
	if _, err := Adopt(t.Context(), c); !errors.Is(err, ErrAdopted) {
		t.Errorf("a second driver: %v", err)
	}
	if err := w.Finish(t.Context(), Verdict{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Adopt(t.Context(), c); !errors.Is(err, ErrAdopted) {
		t.Errorf("a driver after the end: %v", err)
	}
	run, err := Follow(c.Store, c.Dir).Run(t.Context())
	if err != nil || run.ID != "r" || run.Application != "app-1" || !run.InCluster || run.State != Succeeded {
		t.Errorf("%+v, %v", run, err)
	}
}

// A record in a cluster is running until it has a verdict, whatever becomes of its writer.
func TestInClusterIsNotLost(t *testing.T) {
	c := inCluster(t)
	status, err := Read(t.Context(), c.Store, c.Dir, func(Process) bool { return false })
	if err != nil || status.State != Running {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestFollowReadsAlong(t *testing.T) {
	c := inCluster(t)
	f := Follow(c.Store, c.Dir+"/")
	next := func(want string) {
		t.Helper()
		entries, err := f.Next(t.Context())
		var got []string
		for _, e := range entries {
			got = append(got, e.Name)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("events %q, %v; want %q", got, err, want)
		}
	}
	add := func(text string) {
		t.Helper()
		if err := c.Store.Append(t.Context(), filepath.Join(c.Dir, eventsFile), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	next("")
	add(`{"event":"driver","pid":1}` + "\n" + `{"event":"warn`)
	next("driver")
	next("")
	add(`ing","message":"m"}` + "\nnonsense\n" + `{"event":"of a newer driver"}` + "\n")
	next("warning of a newer driver")
	next("")
}

// Who finds an application that has ended without a verdict writes one, once.
func TestConclude(t *testing.T) {
	c := inCluster(t)
	for _, cause := range []string{"first", "second"} {
		if err := Conclude(t.Context(), c.Store, c.Dir, time.Now(), Verdict{Code: exit.Failed, Cause: cause}); err != nil {
			t.Fatal(err)
		}
	}
	status, err := Read(t.Context(), c.Store, c.Dir, func(Process) bool { return true })
	if err != nil || status.State != Failed || status.Verdict.Cause != "first" {
		t.Errorf("%+v, %v", status, err)
	}
	if err := os.Remove(filepath.Join(c.Dir, runFile)); err != nil {
		t.Fatal(err)
	}
	if err := Conclude(t.Context(), c.Store, c.Dir, time.Now(), Verdict{}); err == nil {
		t.Error("no error without a record")
	}
}

// Of drivers that begin at the same time, one has the record.
func TestAdoptAtOnce(t *testing.T) {
	c := inCluster(t)
	var began atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			w, err := Adopt(t.Context(), c)
			switch {
			case err == nil:
				began.Add(1)
				w.Leave()
			case !errors.Is(err, ErrAdopted):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if began.Load() != 1 {
		t.Errorf("%d drivers have begun", began.Load())
	}
	if left, err := filepath.Glob(c.Dir + "/.*"); err != nil || len(left) > 0 {
		t.Errorf("%q, %v", left, err)
	}
}

// A run that was not submitted gets its record anew, from one launcher. Its driver, and that
// of the first submission, then begin once together.
func TestRemake(t *testing.T) {
	c := inCluster(t)
	dead := c.Run.Writer
	if err := Follow(c.Store, c.Dir).RequestStop(t.Context(), Stop{"of the first"}); err != nil {
		t.Fatal(err)
	}
	c.Run.Writer.Host = "another"
	c.Files = map[string][]byte{"plan.json": []byte(`{"second":true}`)}
	run, err := Remake(t.Context(), c, dead)
	if err != nil || run.Writer != c.Run.Writer || run.State != Running || !run.InCluster || run.Started.IsZero() {
		t.Fatalf("%+v, %v", run, err)
	}
	f := Follow(c.Store, c.Dir)
	if plan, err := f.File(t.Context(), "plan.json"); err != nil || !strings.Contains(string(plan), "second") {
		t.Errorf("%s, %v", plan, err)
	}
	if stop, err := f.Stopped(t.Context()); err != nil || stop != nil {
		t.Errorf("stop %+v, %v", stop, err)
	}
	if _, err := Remake(t.Context(), c, dead); !errors.Is(err, ErrTaken) {
		t.Errorf("a second launcher: %v", err)
	}
	w, err := Adopt(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Leave()
	if _, err := Remake(t.Context(), c, c.Run.Writer); !errors.Is(err, ErrAdopted) {
		t.Errorf("a driver has begun: %v", err)
	}
	c.Dir += "-none"
	if _, err := Remake(t.Context(), c, dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no record: %v", err)
	}
	if left, err := filepath.Glob(c.Dir); err != nil || len(left) > 0 {
		t.Errorf("%q, %v", left, err)
	}
}

// Unbegun is a run in a cluster whose launcher has ended, until a driver begins.
func TestUnbegun(t *testing.T) {
	c := inCluster(t)
	read := func(living bool) bool {
		t.Helper()
		s, err := Read(t.Context(), c.Store, c.Dir, func(Process) bool { return living })
		if err != nil || s.State != Running {
			t.Errorf("%+v, %v", s, err)
		}
		return s.Unbegun
	}
	if read(true) || !read(false) {
		t.Error("before a driver has begun")
	}
	w, err := Adopt(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Leave()
	if read(false) {
		t.Error("after a driver has begun")
	}
}
