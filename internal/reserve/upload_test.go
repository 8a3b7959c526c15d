package reserve

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tfos/internal/exit"
)

func opened(text []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
}

func uploadConfig(folder string, members ...MemberConfig) Config {
	cfg := config(time.Second, members...)
	cfg.Uploads = &UploadConfig{Folder: folder, Patterns: []string{"logs"}}
	return cfg
}

// A file is there whole or not at all, whatever the network does; an empty one too.
func TestUpload(t *testing.T) {
	to := filepath.Join(t.TempDir(), "made")
	d := begin(t, uploadConfig(to, worker(0)))
	network := newFaulty(d)
	m := d.join(network.listener.Addr().String(), 0, "A")
	receive(t, m.clusters, "cluster")
	var moved atomic.Int64
	count := func(n int) { moved.Add(int64(n)) }
	text := bytes.Repeat([]byte("0123456789"), 200_000) // many parts
	cut := false
	err := m.Upload(t.Context(), m.place, "logs/deep/big", opened(text), func(n int) {
		if count(n); moved.Load() > 1_000_000 && !cut {
			cut = true
			network.cut()
		}
	})
	if err != nil || moved.Load() <= int64(len(text)) {
		t.Errorf("%v; %d bytes were sent, in two tries", err, moved.Load())
	}
	if got, err := os.ReadFile(filepath.Join(to, "worker-0/logs/deep/big")); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes came, %v", len(got), err)
	}
	if err := m.Upload(t.Context(), m.place, "empty \xff", opened(nil), count); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(to, "worker-0/empty \xff")); err != nil || len(got) != 0 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	entries, err := os.ReadDir(filepath.Join(to, "worker-0/logs/deep"))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the file: %v, %v", entries, err)
	}
	m.reportEnd(t, Outcome{Kind: Succeeded, Working: WorkingFiles{Folder: "/w", Files: 3, Bytes: 9, Uploaded: 2, UploadedBytes: 8, Matched: []string{"logs"}}})
	v := d.verdict(0)
	files, _ := v["working_files"].([]any)
	if len(files) != 1 || files[0].(map[string]any)["uploaded_to"] != to+"/worker-0" || files[0].(map[string]any)["host"] != "here" {
		t.Errorf("verdict %v", v["working_files"])
	}
	d.hangUp()
}

func TestUploadIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	stage(t, file)
	d := begin(t, uploadConfig(file, worker(0)))
	m := d.join(d.ready.Address, 0, "A")
	receive(t, m.clusters, "cluster")
	for path, want := range map[string]string{
		"../escape": "is wanted", "/absolute": "is wanted", "": "is wanted", "a/../../b": "is wanted",
		"logs/a": "not a directory", // the folder is a file
	} {
		err := m.Upload(t.Context(), m.place, path, opened([]byte("x")), func(int) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	if err := m.Upload(t.Context(), Place{"worker", 1}, "logs/a", opened(nil), func(int) {}); err == nil || !strings.Contains(err.Error(), "is not this member's place") {
		t.Errorf("another's place: %v", err)
	}
	other := d.client(d.ready.Address)
	if err := other.Upload(t.Context(), m.place, "logs/a", opened(nil), func(int) {}); err == nil || !strings.Contains(err.Error(), "is not this member's place") {
		t.Errorf("another incarnation: %v", err)
	}
	// A run whose files were asked for and not brought has not succeeded.
	m.reportEnd(t, Outcome{Kind: Succeeded, Working: WorkingFiles{Folder: "/w", Files: 1, Bytes: 1, Matched: []string{"logs"}, Error: "disk full"}})
	v := d.verdict(exit.Output)
	if v["phase"] != PhaseUpload || v["member"] != "worker:0" || v["cause"] != "a file of worker:0 was not brought to "+file+"/worker-0: disk full" {
		t.Errorf("verdict %v", v)
	}
	d.hangUp()
}

// A job that wants no file gets none.
func TestNothingIsUploadedUnasked(t *testing.T) {
	d := begin(t, config(time.Second, worker(0)))
	m := d.join(d.ready.Address, 0, "A")
	receive(t, m.clusters, "cluster")
	if err := m.Upload(t.Context(), m.place, "a", opened(nil), func(int) {}); err == nil || !strings.Contains(err.Error(), "is wanted") {
		t.Errorf("%v", err)
	}
	m.reportEnd(t, Outcome{Kind: Succeeded})
	if v := d.verdict(0); v["working_files"] != nil {
		t.Errorf("verdict %v", v)
	}
	d.hangUp()
}

// What no program has written is said of a run that has succeeded, once for all.
func TestAPatternThatNamesNothing(t *testing.T) {
	cfg := uploadConfig(t.TempDir(), worker(0), worker(1))
	cfg.Uploads.Patterns = []string{"logs", "*.txt"}
	cfg.Shared = true
	d := begin(t, cfg)
	members := []*member{d.join(d.ready.Address, 0, "A"), d.join(d.ready.Address, 1, "A")}
	for i, matched := range [][]string{{"logs"}, nil} {
		receive(t, members[i].clusters, "cluster")
		members[i].reportEnd(t, Outcome{Kind: Succeeded, Working: WorkingFiles{Folder: "/w", Matched: matched}})
	}
	warning := d.await("warning")["message"].(string)
	if !strings.HasPrefix(warning, "app.python.outputs: *.txt: no program has written") {
		t.Errorf("warning %q", warning)
	}
	d.verdict(0)
	d.hangUp()
}
