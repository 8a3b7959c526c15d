package batches

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/feed"
	"tfos/internal/feed/task"
	"tfos/internal/files"
)

// member is a real feed.Receiver behind Unix sockets.
type member struct {
	*feed.Receiver
	t        testing.TB
	feeders  string
	programs string
	cancel   context.CancelFunc
	order    task.Order
	tasks    sync.WaitGroup
}

func newMember(t testing.TB, worker int, cfg feed.Config) *member {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{
		Receiver: feed.NewReceiver([]feed.Config{cfg}, "secret", fmt.Sprintf("worker:%d", worker), dir),
		t:        t, feeders: filepath.Join(dir, "f"), programs: filepath.Join(dir, "p"), cancel: cancel,
	}
	var serving sync.WaitGroup
	serve := func(path string, each func(net.Conn)) net.Listener {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		serving.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				serving.Go(func() { each(conn) })
			}
		})
		return l
	}
	feeders := serve(m.feeders, func(c net.Conn) { _ = m.ServeFeeder(ctx, c) })
	programs := serve(m.programs, func(c net.Conn) {
		var hello feed.AttachRequest
		about := feed.ProgramContext{WorkerNum: worker, Feeds: []feed.Config{cfg}}
		if feed.ReadJSON(c, feed.TypeAttach, &hello) == nil && feed.WriteJSON(c, feed.TypeContext, about) == nil {
			_ = m.ServeChild(ctx, c, func(byte, []byte) error { return nil })
		}
	})
	t.Cleanup(func() {
		cancel()
		_, _ = feeders.Close(), programs.Close()
		m.tasks.Wait()
		serving.Wait()
	})
	to := task.Member{Job: "worker", Index: worker}
	to.Feed.Unix, to.Feed.BootID = m.feeders, bootID(t)
	m.order = task.Order{Feed: task.Feed{Name: cfg.Name, ChunkRows: 20, Balance: "demand", Repeatable: true}, Token: "secret", Members: []task.Member{to}}
	return m
}

func bootID(t testing.TB) string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	return string(text[:36])
}

// rowSchema: id is the row's number, and the other columns depend on it (checkRow).
var rowSchema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "values", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32), Nullable: true},
}, nil)

// rowsFrom returns rows first to first+n-1.
func rowsFrom(first, n int64, width int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, rowSchema)
	defer b.Release()
	values := b.Field(2).(*array.ListBuilder)
	for id := first; id < first+n; id++ {
		b.Field(0).(*array.Int64Builder).Append(id)
		if id%5 == 0 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("row ", id))
		}
		values.Append(true)
		for range width {
			values.ValueBuilder().(*array.Float32Builder).Append(float32(id))
		}
	}
	return b.NewRecord()
}

// ids checks the columns of a record and returns its ids.
func ids(t testing.TB, r arrow.Record) []int64 {
	t.Helper()
	all := r.Column(0).(*array.Int64).Int64Values()
	texts, values := r.Column(1).(*array.String), r.Column(2).(*array.List)
	for i, id := range all {
		if (id%5 == 0) != texts.IsNull(i) || id%5 != 0 && texts.Value(i) != fmt.Sprint("row ", id) {
			t.Fatalf("row %d has text %q", id, texts.Value(i))
		}
		from, to := values.ValueOffsets(i)
		floats := values.ListValues().(*array.Float32).Float32Values()[from:to]
		if len(floats) == 0 || floats[0] != float32(id) || floats[len(floats)-1] != float32(id) {
			t.Fatalf("row %d has values %v", id, floats)
		}
	}
	return append([]int64(nil), all...)
}

// writeFile writes an Arrow file of rows, in batches of 64.
func writeFile(t testing.TB, rows int64, width int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.arrow")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ipc.NewFileWriter(f, ipc.WithSchema(rowSchema))
	if err != nil {
		t.Fatal(err)
	}
	for first := int64(0); first < rows; first += 64 {
		r := rowsFrom(first, min(64, rows-first), width)
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
		r.Release()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// send starts a real feed task, which sends a file as one partition of an epoch.
// The error of the task comes by the channel.
func (m *member) send(path string, epoch int) <-chan error {
	m.t.Helper()
	plan, err := task.Plan(m.t.Context(), task.Input{Format: files.Arrow, Path: path, Slots: 1})
	if err != nil {
		m.t.Fatal(err)
	}
	order := m.order
	order.Files, order.Epoch = &plan.Files, epoch
	var splits []files.Split
	for _, p := range plan.Partitions {
		splits = append(splits, p...)
	}
	ended := make(chan error, 1)
	m.tasks.Go(func() {
		result, err := order.FeedFiles(context.Background(), 0, splits)
		if err == nil && result.Error != nil {
			err = fmt.Errorf("%s", *result.Error)
		}
		ended <- err
	})
	return ended
}

// feedEpochs sends a file for each epoch, and ends the feed.
func (m *member) feedEpochs(path string, epochs int) {
	m.t.Helper()
	for epoch := range epochs {
		ended := m.send(path, epoch)
		m.tasks.Go(func() {
			if err := <-ended; err != nil {
				m.t.Error(err)
			}
			if err := m.EndFeed(m.order.Feed.Name, epoch, epoch == epochs-1); err != nil {
				m.t.Error(err)
			}
		})
	}
}

// sendPlain sends rows 0 to rows-1 as partition 0 of an epoch, in chunks that do not
// lie in shared memory.
func (m *member) sendPlain(rows, chunk int64, epoch int) error {
	conn, err := net.Dial("unix", m.feeders)
	if err != nil {
		return err
	}
	defer conn.Close()
	hello := feed.Hello{Version: feed.Version, Token: "secret", Feed: m.order.Feed.Name, Epoch: epoch, Attempt: 1}
	var welcome feed.Welcome
	err = errors.Join(feed.WriteJSON(conn, feed.TypeHello, hello), feed.ReadJSON(conn, feed.TypeWelcome, &welcome))
	if err != nil {
		return err
	}
	for first := int64(0); first < rows && err == nil; first += chunk {
		n := min(chunk, rows-first)
		schema, message := encoded(m.t, rowsFrom(first, n, 4))
		if first == 0 {
			err = feed.WriteFrame(conn, feed.TypeSchema, schema)
		}
		frame := append(make([]byte, feed.ChunkRoom), message...)
		feed.SealChunk(frame, len(message), first, int(n))
		_, failed := conn.Write(frame)
		err = errors.Join(err, failed)
	}
	err = errors.Join(err, feed.WriteJSON(conn, feed.TypeEnd, feed.End{Rows: rows}))
	for typ := byte(0); err == nil && typ != feed.TypeEnded; {
		typ, _, err = feed.ReadFrame(conn)
	}
	return err
}

// totals sums the counts of all epochs.
func (m *member) totals() (sum feed.Count) {
	for _, c := range m.Counts() {
		sum.Received += c.Received
		sum.Trained += c.Trained
		sum.Dropped += c.Dropped
		sum.Stopped = c.Stopped
	}
	return sum
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for range 500 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("5 s without %s", what)
}
