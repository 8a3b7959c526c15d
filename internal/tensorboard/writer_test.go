package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	eventpb "github.com/wamuir/graft/tensorflow/core/util/event_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/recordio"
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

// TestCreateFails: a folder that cannot be made is an error.
func TestCreateFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, file + "/below", "nosuch://store/dir"} {
		if _, err := Create(t.Context(), dir, "node-7", 0, time.Unix(1, 0)); err == nil {
			t.Errorf("%s is a folder", dir)
		}
	}
}

// TestEvents: the events of a file, as TensorBoard reads them.
func TestEvents(t *testing.T) {
	begun, later := time.Unix(1795983389, 5e8), time.Unix(1795983400, 250_000_000)
	w, err := Create(t.Context(), t.TempDir(), "node-7", 41, begun)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Scalars(42, later, []string{"loss", "accuracy"}, []float64{0.5, 0.75}), w.Flush()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(w.Path())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(file) > 0 {
		n, ok := recordio.DataLength(file[:recordio.HeaderBytes])
		end := recordio.HeaderBytes + int(n) + recordio.FooterBytes
		if !ok || !recordio.DataIntact(file[:end]) {
			t.Fatal("a frame is damaged")
		}
		var e eventpb.Event
		if err := proto.Unmarshal(file[recordio.HeaderBytes:end-recordio.FooterBytes], &e); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%.2f step %d", e.WallTime, e.Step)
		if e.GetSessionLog().GetStatus() == eventpb.SessionLog_START {
			text += " start"
		}
		for _, v := range e.GetSummary().GetValue() {
			number := math.Float32frombits(binary.LittleEndian.Uint32(v.GetTensor().GetTensorContent()))
			text += fmt.Sprintf(" %s %v %s", v.Tag, number, v.Metadata.PluginData.PluginName)
		}
		got, file = append(got, text), file[end:]
	}
	want := []string{"1795983389.50 step 0", "1795983389.50 step 42 start", "1795983400.25 step 42 loss 0.5 scalars", "1795983400.25 step 42 accuracy 0.75 scalars"}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
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
