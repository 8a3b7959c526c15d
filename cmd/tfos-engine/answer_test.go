package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
	"tfos/internal/infer"
	"tfos/internal/model"
)

// host plays a member whose engine answers predict tasks.
type host struct {
	t       *testing.T
	socket  string // the engine's for tasks
	control net.Conn
	ended   chan int // the engine's status
	stderr  *bytes.Buffer
}

// startAnswering starts the engine with the doubler's model in this process, and waits
// until the engine reports that it runs.
func startAnswering(t *testing.T) *host {
	t.Helper()
	dir := shortDir(t)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	work, err := json.Marshal(infer.PartitionsRequest{Computation: infer.Computation{Source: model.Source{Model: doublerModel(t)}, Signature: "serving_default", BatchSize: 10}})
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, socket: filepath.Join(dir, feed.PredictSocket), ended: make(chan int, 1), stderr: &bytes.Buffer{}}
	go func() { h.ended <- run(t.Context(), []string{"run"}, l.Addr().String(), io.Discard, h.stderr) }()
	if h.control, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.control.Close() })
	_ = h.control.SetDeadline(time.Now().Add(60 * time.Second))
	var attach feed.AttachRequest
	if err := errors.Join(feed.ReadJSON(h.control, feed.TypeAttach, &attach), feed.WriteJSON(h.control, feed.TypeContext, feed.ProgramContext{Kind: "infer", Work: work})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"importing", "running"} {
		if phase := decode[feed.PhaseReport](t, h.read(feed.TypePhase)).Phase; phase != want {
			t.Fatalf("phase %s, want %s", phase, want)
		}
	}
	return h
}

// read returns the engine's next frame, which must have this type. It skips PROGRESS.
func (h *host) read(typ byte) []byte {
	h.t.Helper()
	for {
		got, payload, err := feed.ReadFrame(h.control)
		if err != nil {
			h.t.Fatalf("%v\n%s", err, h.stderr)
		}
		if got == typ {
			return payload
		}
		if got != feed.TypeProgress {
			h.t.Fatalf("frame 0x%02x %s, want 0x%02x", got, payload, typ)
		}
	}
}

// task hands the connection of a new task over to the engine.
func (h *host) task(partition int) net.Conn {
	h.t.Helper()
	l, err := net.Listen("unix", filepath.Join(shortDir(h.t), "t"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	door, err := l.Accept()
	if err == nil {
		err = errors.Join(feed.HandOver(h.t.Context(), door, h.socket, feed.Hello{Version: feed.Version, Partition: partition, Attempt: 1}), door.Close())
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// doubled sends values in one record and returns the predictions. A negative value is
// sent as null.
func doubled(conn net.Conn, values ...int64) ([]int64, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil))
	defer b.Release()
	for _, v := range values {
		if v < 0 {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.Int64Builder).Append(v)
		}
	}
	record := b.NewRecord()
	defer record.Release()
	w := ipc.NewWriter(conn, ipc.WithSchema(record.Schema()))
	if err := errors.Join(w.Write(record), w.Close()); err != nil {
		return nil, err
	}
	r, err := ipc.NewReader(conn)
	if err != nil {
		return nil, err
	}
	got, err := r.Read()
	if err != nil {
		return nil, err
	}
	out := slices.Clone(got.Column(0).(*array.Int64).Int64Values())
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errors.New("no end"), err)
	}
	return out, conn.Close()
}

func TestAnswerTasks(t *testing.T) {
	h := startAnswering(t)
	first, second := h.task(0), h.task(1) // both open at once
	var sent []int64
	for i := range int64(25) {
		sent = append(sent, i)
	}
	if got, err := doubled(second, sent...); err != nil || len(got) != 25 || got[24] != 48 {
		t.Fatalf("%v, %v", got, err)
	}
	if got, err := doubled(first, 7); err != nil || !slices.Equal(got, []int64{14}) {
		t.Fatalf("%v, %v", got, err)
	}
	if err := feed.WriteJSON(h.control, feed.TypeEpochEnd, feed.EpochEnd{Feed: "predict", Last: true}); err != nil {
		t.Fatal(err)
	}
	result := decode[infer.Result](t, h.read(feed.TypeResult))
	if want := []infer.ServedPartition{
		{Partition: 0, Attempt: 1, Account: infer.Account{Read: 1, Rows: 1}},
		{Partition: 1, Attempt: 1, Account: infer.Account{Read: 25, Rows: 25}}}; result.Rows != 26 || !slices.Equal(result.Served, want) || result.Steps == nil {
		t.Errorf("result %+v", result)
	}
	if phase := decode[feed.PhaseReport](t, h.read(feed.TypePhase)).Phase; phase != "ended" {
		t.Errorf("phase %s", phase)
	}
	if status := <-h.ended; status != statusDone {
		t.Errorf("status %d: %s", status, h.stderr)
	}
}

// TestAnswerNull: a row that does not fit ends the run. The error has the row's place.
func TestAnswerNull(t *testing.T) {
	h := startAnswering(t)
	conn := h.task(4)
	defer conn.Close()
	if got, err := doubled(conn, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -1); err == nil {
		t.Errorf("predicted %v", got)
	}
	f := decode[feed.Failure](t, h.read(feed.TypeFailed))
	if f.Code != 6 || f.Phase != "running" || !strings.Contains(f.Cause, `partition 4: row 11, column "x": it is null`) {
		t.Errorf("received %+v", f)
	}
	if status := <-h.ended; status != statusFailed {
		t.Errorf("status %d", status)
	}
}

// TestAnswerEndsWithItsMember: if the member ends, the engine ends too, without a message
// that all rows were sent.
func TestAnswerEndsWithItsMember(t *testing.T) {
	h := startAnswering(t)
	h.control.Close()
	select {
	case status := <-h.ended:
		if status != statusFailed {
			t.Errorf("status %d", status)
		}
	case <-time.After(20 * time.Second):
		t.Error("the engine runs on")
	}
}
