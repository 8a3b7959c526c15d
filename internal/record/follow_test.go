package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
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
