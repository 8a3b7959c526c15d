package reserve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tfos/internal/exit"
	"tfos/internal/reserve"
	"tfos/internal/reserve/reservetest"
)

func opened(text []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
}

// upload uploads one empty file.
func upload(c *reserve.Client, place reserve.Place, path string) error {
	u := c.NewUploader(place)
	err := u.Upload(context.Background(), path, opened(nil), func(int) {})
	return errors.Join(err, u.Close())
}

func uploadConfig(folder string, members ...reserve.MemberConfig) reserve.Config {
	cfg := reservetest.Config(time.Second, members...)
	cfg.Uploads = &reserve.UploadConfig{Folder: folder, Patterns: []string{"logs"}}
	return cfg
}

// A file is there whole or not at all, whatever the network does; an empty one too.
func TestUpload(t *testing.T) {
	to := filepath.Join(t.TempDir(), "made")
	d := begin(t, uploadConfig(to, reservetest.Worker(0)))
	between := newFaulty(t, reserve.TCPNetwork(), d.Ready.Address)
	m := d.Join(between.listener.Addr().String(), 0, "A")
	reservetest.Receive(t, m.Clusters, "cluster")
	var moved atomic.Int64
	count := func(n int) { moved.Add(int64(n)) }
	text := bytes.Repeat([]byte("0123456789"), 200_000) // many parts
	cut := false
	u := m.NewUploader(m.Place)
	err := u.Upload(t.Context(), "logs/deep/big", opened(text), func(n int) {
		if count(n); moved.Load() > 1_000_000 && !cut {
			cut = true
			between.cut()
		}
	})
	if err != nil || moved.Load() <= int64(len(text)) {
		t.Errorf("%v; %d bytes were sent, in two tries", err, moved.Load())
	}
	if got, err := os.ReadFile(filepath.Join(to, "worker-0/logs/deep/big")); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes came, %v", len(got), err)
	}
	if err := u.Upload(t.Context(), "empty \xff", opened(nil), count); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(to, "worker-0/empty \xff")); err != nil || len(got) != 0 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(filepath.Join(to, "worker-0/logs/deep"))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the file: %v, %v", entries, err)
	}
	m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Working: reserve.WorkingFiles{Folder: "/w", Files: 3, Bytes: 9, Uploaded: 2, UploadedBytes: 8, Matched: []string{"logs"}}})
	v := d.AwaitVerdict(0)
	files, _ := v["working_files"].([]any)
	if len(files) != 1 || files[0].(map[string]any)["uploaded_to"] != to+"/worker-0" || files[0].(map[string]any)["host"] != "here" {
		t.Errorf("verdict %v", v["working_files"])
	}
	d.HangUp()
}

func TestUploadIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := begin(t, uploadConfig(file, reservetest.Worker(0)))
	m := d.Join(d.Ready.Address, 0, "A")
	reservetest.Receive(t, m.Clusters, "cluster")
	u := m.NewUploader(m.Place)
	defer u.Close()
	for path, want := range map[string]string{
		"../escape": "is wanted", "/absolute": "is wanted", "": "is wanted", "a/../../b": "is wanted",
		"logs/a": "not a directory", // the folder is a file
	} {
		err := u.Upload(t.Context(), path, opened([]byte("x")), func(int) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	if err := upload(m.Client, reserve.Place{Job: "worker", Index: 1}, "logs/a"); err == nil || !strings.Contains(err.Error(), "is not this member's place") {
		t.Errorf("another's place: %v", err)
	}
	other := d.Client(d.Ready.Address)
	if err := upload(other, m.Place, "logs/a"); err == nil || !strings.Contains(err.Error(), "is not this member's place") {
		t.Errorf("another incarnation: %v", err)
	}
	// A run whose files were asked for and not brought has not succeeded.
	m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Working: reserve.WorkingFiles{Folder: "/w", Files: 1, Bytes: 1, Matched: []string{"logs"}, Error: "disk full"}})
	v := d.AwaitVerdict(exit.Output)
	if v["phase"] != reserve.PhaseUpload || v["member"] != "worker:0" || v["cause"] != "a file of worker:0 was not brought to "+file+"/worker-0: disk full" {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()
}

// A job that wants no file gets none.
func TestNothingIsUploadedUnasked(t *testing.T) {
	d := begin(t, reservetest.Config(time.Second, reservetest.Worker(0)))
	m := d.Join(d.Ready.Address, 0, "A")
	reservetest.Receive(t, m.Clusters, "cluster")
	if err := upload(m.Client, m.Place, "a"); err == nil || !strings.Contains(err.Error(), "is wanted") {
		t.Errorf("%v", err)
	}
	m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded})
	if v := d.AwaitVerdict(0); v["working_files"] != nil {
		t.Errorf("verdict %v", v)
	}
	d.HangUp()
}

// All files of an upload take one connection. A file whose connection broke takes
// another, and so do those after it.
func TestUploadConnections(t *testing.T) {
	d := begin(t, uploadConfig(t.TempDir(), reservetest.Worker(0)))
	between := newFaulty(t, reserve.TCPNetwork(), d.Ready.Address)
	m := d.Join(between.listener.Addr().String(), 0, "A")
	reservetest.Receive(t, m.Clusters, "cluster")
	before := between.connections()
	u := m.NewUploader(m.Place)
	send := func(files int) {
		t.Helper()
		for i := range files {
			if err := u.Upload(t.Context(), fmt.Sprint(i), opened([]byte("x")), func(int) {}); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(20)
	if n := between.connections() - before; n != 1 {
		t.Errorf("20 files took %d connections", n)
	}
	between.cut() // the stream of Join opens another one too
	send(20)
	if n := between.connections() - before; n > 3 {
		t.Errorf("40 files took %d connections", n)
	}
	if err := errors.Join(u.Close(), u.Close()); err != nil {
		t.Error(err)
	}
	m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Working: reserve.WorkingFiles{Folder: "/w", Matched: []string{"logs"}}})
	d.AwaitVerdict(0)
	d.HangUp()
}

// A file that is stuck on a connection gets another one after uploadPatience.
func TestUploadOnASilentConnection(t *testing.T) { synctest.Test(t, testUploadOnASilentConnection) }

func testUploadOnASilentConnection(t *testing.T) {
	cfg := uploadConfig(t.TempDir(), reservetest.Worker(0))
	cfg.LeaseMS = (10 * time.Minute).Milliseconds()
	cfg.StallMS = cfg.LeaseMS
	d, network := beginInMemory(t, cfg)
	between := newFaulty(t, network, d.Ready.Address)
	m := d.Join(between.listener.Addr().String(), 0, "A")
	reservetest.Receive(t, m.Clusters, "cluster")
	u := m.NewUploader(m.Place)
	began := time.Now()
	for i, want := range []time.Duration{0, reserve.UploadPatience, reserve.UploadPatience} {
		if i == 1 {
			between.silenceOpen()
		}
		if err := u.Upload(t.Context(), fmt.Sprint(i), opened([]byte("x")), func(int) {}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < want || took > want+time.Second {
			t.Errorf("file %d was there after %s, want %s", i, took, want)
		}
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
	m.ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Working: reserve.WorkingFiles{Folder: "/w", Matched: []string{"logs"}}})
	d.AwaitVerdict(0)
	d.HangUp()
}

// What no program has written is said of a run that has succeeded, once for all.
func TestAPatternThatNamesNothing(t *testing.T) {
	cfg := uploadConfig(t.TempDir(), reservetest.Worker(0), reservetest.Worker(1))
	cfg.Uploads.Patterns = []string{"logs", "*.txt"}
	cfg.Shared = true
	d := begin(t, cfg)
	members := []*reservetest.Member{d.Join(d.Ready.Address, 0, "A"), d.Join(d.Ready.Address, 1, "A")}
	for i, matched := range [][]string{{"logs"}, nil} {
		reservetest.Receive(t, members[i].Clusters, "cluster")
		members[i].ReportEnd(t, reserve.Outcome{Kind: reserve.Succeeded, Working: reserve.WorkingFiles{Folder: "/w", Matched: matched}})
	}
	warning := d.Await("warning")["message"].(string)
	if !strings.HasPrefix(warning, "app.python.outputs: *.txt: no program has written") {
		t.Errorf("warning %q", warning)
	}
	d.AwaitVerdict(0)
	d.HangUp()
}

// BenchmarkUploadSmallFiles: 2,000 files of 1 KiB an operation.
func BenchmarkUploadSmallFiles(b *testing.B) {
	d := reservetest.Begin(b, uploadConfig(b.TempDir(), reservetest.Worker(0)), reservetest.OpenNothing)
	m := d.Join(d.Ready.Address, 0, "A")
	reservetest.Receive(b, m.Clusters, "cluster")
	text := make([]byte, 1<<10)
	for b.Loop() {
		u := m.NewUploader(m.Place)
		for i := range 2000 {
			if err := u.Upload(b.Context(), fmt.Sprintf("logs/%d", i), opened(text), func(int) {}); err != nil {
				b.Fatal(err)
			}
		}
		if err := u.Close(); err != nil {
			b.Fatal(err)
		}
	}
	m.ReportEnd(b, reserve.Outcome{Kind: reserve.Succeeded})
	d.AwaitVerdict(0)
	d.HangUp()
}
