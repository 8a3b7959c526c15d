package record

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"tfos/internal/store"
)

// If this variable has "DIR N", the test binary is the writing process. It is killed
// before its write number N.
const killVariable = "TFOS_RECORD_KILL"

func TestMain(m *testing.M) {
	if setting := os.Getenv(killVariable); setting != "" {
		dir, number, _ := strings.Cut(setting, " ")
		n, _ := strconv.Atoi(number)
		os.Exit(writeRecord(dir, n))
	}
	os.Exit(m.Run())
}

// doomed is a store that kills its process before write number left, or in the middle of
// that write if possible. It prints every write that is done.
type doomed struct {
	store.Store
	left *int
}

func (d doomed) step(half func()) {
	if *d.left == 0 {
		half()
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	*d.left--
}

func (d doomed) Mkdir(ctx context.Context, path string) error {
	d.step(func() {})
	return d.Store.Mkdir(ctx, path)
}

func (d doomed) Create(ctx context.Context, path string) (store.File, error) {
	d.step(func() {})
	file, err := d.Store.Create(ctx, path)
	return doomedFile{file, d, filepath.Base(path)}, err
}

func (d doomed) Publish(ctx context.Context, staging, final string, replace bool) error {
	d.step(func() {})
	err := d.Store.Publish(ctx, staging, final, replace)
	fmt.Println("published")
	return err
}

func (d doomed) Append(ctx context.Context, path string, data []byte) error {
	if filepath.Base(path) != eventsFile {
		d.step(func() { _ = d.Store.Append(ctx, path, data[:len(data)/2]) })
		return d.Store.Append(ctx, path, data)
	}
	d.step(func() {
		_ = d.Store.Append(ctx, path, data[:len(data)-1])
		printLast(data[:bytes.LastIndexByte(data[:len(data)-1], '\n')+1])
	})
	err := d.Store.Append(ctx, path, data)
	printLast(data)
	return err
}

// printLast prints the last event of lines.
func printLast(lines []byte) {
	if len(lines) > 0 {
		entry, _ := parseEntry(lines[bytes.LastIndexByte(lines[:len(lines)-1], '\n')+1:])
		fmt.Println("event", entry.Name)
	}
}

type doomedFile struct {
	store.File
	d    doomed
	name string
}

func (f doomedFile) Write(p []byte) (int, error) {
	f.d.step(func() { _, _ = f.File.Write(p[:len(p)/2]) })
	return f.File.Write(p)
}

func (f doomedFile) Commit() error {
	f.d.step(func() {})
	err := f.File.Commit()
	fmt.Println("file", f.name)
	return err
}

// writeRecord writes the record of a run that succeeds.
func writeRecord(dir string, n int) int {
	c := newClock()
	w, err := Create(context.Background(), configOf(dir, doomed{store.Local{}, &n}, c))
	if err != nil {
		return 1
	}
	for _, e := range events[:len(events)-1] {
		c.advance(repeatEvery)
		w.Event(e.event)
	}
	w.Event(Verdict{})
	if err := w.Finish(context.Background(), Verdict{}); err != nil {
		return 1
	}
	return 0
}

// A writer that is killed at any write leaves no record, or one that shows the run's
// progress.
func TestKilledWriter(t *testing.T) {
	seen := map[string]bool{}
	for n := 0; ; n++ {
		dir := filepath.Join(t.TempDir(), "r1")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", killVariable, dir, n))
		out, err := cmd.Output()
		killed := err != nil && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if err != nil && !killed {
			t.Fatalf("write %d: %v", n, err)
		}
		published, last, verdict := false, "", false
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			word, rest, _ := strings.Cut(lines.Text(), " ")
			published = published || word == "published"
			verdict = verdict || rest == "verdict" || rest == verdictFile
			if word == "event" {
				last = rest
			}
		}
		got, err := Read(t.Context(), store.Local{}, dir, dead)
		want := Lost
		switch {
		case !published:
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("write %d: there is a record: %+v, %v", n, got, err)
			}
			seen["none"] = true
			continue
		case err != nil:
			t.Fatalf("write %d: %v", n, err)
		case verdict:
			want = Succeeded
		}
		seen[string(want)] = true
		if got.State != want || got.Last.Name != last || got.Run.ID != "r1" || got.Run.Writer.PID != 7 {
			t.Errorf("write %d: state %s, last event %q; want %s, %q", n, got.State, got.Last.Name, want, last)
		}
		if !killed {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("the writer was killed in states %v", seen)
	}
}
