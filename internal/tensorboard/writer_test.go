package tensorboard

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func create(t *testing.T, dir string) *Writer {
	t.Helper()
	w, err := Create(t.Context(), dir, "node-7", 0, time.Unix(1795983389, 5e8))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func scalar(w *Writer, tag string, value float64, step int64) error {
	return w.Scalars(step, time.Unix(9, 0), []string{tag}, []float64{value})
}

func size(t *testing.T, w *Writer) int64 {
	t.Helper()
	info, err := os.Stat(w.Path())
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestCreate: the file is there at once, with its version, and two files of one second
// and host have two names.
func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model", "validation")
	first := create(t, dir)
	second := create(t, dir)
	if name := filepath.Base(first.Path()); name != "events.out.tfevents.1795983389.node-7" {
		t.Errorf("its name is %s", name)
	}
	if second.Path() <= first.Path() {
		t.Errorf("%s does not follow %s", second.Path(), first.Path())
	}
	if text, err := os.ReadFile(second.Path()); err != nil || !strings.Contains(string(text), version) {
		t.Errorf("%q, %v", text, err)
	}
}

// TestFlush: points are in the file when they are flushed, each once.
func TestFlush(t *testing.T) {
	w := create(t, t.TempDir())
	empty := size(t, w)
	scalar(w, "loss", 0.5, 3)
	if size(t, w) != empty {
		t.Error("a point is written before the flush")
	}
	for range 2 {
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	one := size(t, w) - empty
	scalar(w, "loss", 0.25, 4)
	if err := w.Flush(); err != nil || one < 40 || size(t, w) != empty+2*one {
		t.Errorf("%d bytes after the first point, %d after the second, %v", one, size(t, w)-empty-one, err)
	}
}

// TestFlushFails: after an error nothing more is written, because readers would not
// find it behind half an event.
func TestFlushFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	w := create(t, dir)
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	scalar(w, "loss", 0.5, 3)
	first := w.Flush()
	if first == nil || !strings.Contains(first.Error(), w.Path()) {
		t.Errorf("without the folder: %v", first)
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	before := size(t, w)
	scalar(w, "loss", 0.25, 4)
	if err := w.Flush(); err == nil || err.Error() != first.Error() || size(t, w) != before {
		t.Errorf("the flush after a failed one: %v, %d bytes more", err, size(t, w)-before)
	}
}

// TestTextThatIsNoUTF8 is an error, as protobuf has it, and no event.
func TestTextThatIsNoUTF8(t *testing.T) {
	w := create(t, t.TempDir())
	before := size(t, w)
	scalar(w, "\xff", 1, 1)
	if err := w.Flush(); err == nil || size(t, w) != before {
		t.Errorf("%v, %d bytes more", err, size(t, w)-before)
	}
}
