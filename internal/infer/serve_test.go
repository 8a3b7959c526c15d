package infer

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/exit"
	"tfos/internal/model"
)

// spark stands for Spark: it gives streams to Serve, which runs beside the test.
type spark struct {
	t       *testing.T
	streams chan Stream
	loads   int
	ended   chan served
}

type served struct {
	result Result
	err    error
}

// serveDoubler serves the doubler's model, 64 rows a batch.
func serveDoubler(t *testing.T, m Model) *spark {
	t.Helper()
	return serve(t, m, PartitionsRequest{Computation: Computation{Source: model.Source{Model: doublerModel(t, nil)}, BatchSize: 64}})
}

func serve(t *testing.T, m Model, req PartitionsRequest) *spark {
	t.Helper()
	s := &spark{t: t, streams: make(chan Stream), ended: make(chan served, 1)}
	running := make(chan struct{})
	go func() {
		result, err := Serve(t.Context(), &req, func(context.Context) (Model, error) { s.loads++; return m, nil },
			func() error { close(running); return nil },
			func() (Stream, error) {
				stream, more := <-s.streams
				if !more {
					return stream, io.EOF
				}
				return stream, nil
			}, nil)
		s.ended <- served{result, err}
	}()
	select {
	case <-running:
	case end := <-s.ended:
		t.Fatal(end.err)
	}
	return s
}

// task opens a stream, as a predict task does.
func (s *spark) task(partition int, attempt int64) net.Conn {
	s.t.Helper()
	task, engine := net.Pipe()
	_ = task.SetDeadline(time.Now().Add(20 * time.Second))
	s.streams <- Stream{engine, partition, attempt}
	return task
}

// end says that Spark has all, and is Serve's end.
func (s *spark) end() (Result, error) {
	close(s.streams)
	end := <-s.ended
	return end.result, end.err
}

func ints(name string, values ...int64) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: name, Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil))
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues(values, nil)
	return b.NewRecord()
}

func upFrom(from, n int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = from + int64(i)
	}
	return out
}

// predict sends records, and returns the predictions of each.
func predict(conn net.Conn, records ...arrow.Record) (out [][]int64, err error) {
	answers, err := exchange(conn, records...)
	for _, a := range answers {
		out = append(out, slices.Clone(a.Column(0).(*array.Int64).Int64Values()))
	}
	return out, err
}

// exchange sends records, all that the window allows before it reads, and returns
// the answers.
func exchange(conn net.Conn, records ...arrow.Record) (out []arrow.Record, err error) {
	w := ipc.NewWriter(conn, ipc.WithSchema(records[0].Schema()))
	var r *ipc.Reader
	read := func() error {
		if r == nil {
			if r, err = ipc.NewReader(conn); err != nil {
				return err
			}
		}
		record, err := r.Read()
		if err == nil {
			record.Retain()
			out = append(out, record)
		}
		return err
	}
	for i, record := range records {
		if i >= StreamWindow {
			if err := read(); err != nil {
				return out, err
			}
		}
		if err := w.Write(record); err != nil {
			return out, err
		}
	}
	for len(out) < len(records) {
		if err := read(); err != nil {
			return out, err
		}
	}
	if err := w.Close(); err != nil {
		return out, err
	}
	if err := read(); !errors.Is(err, io.EOF) {
		return out, errors.Join(errors.New("no end of the predictions"), err)
	}
	return out, conn.Close()
}

func TestServeManyAtOnce(t *testing.T) {
	d := &doubler{bad: -1}
	s := serveDoubler(t, d)
	var all sync.WaitGroup
	for partition := range 5 {
		conn := s.task(partition, 10)
		all.Go(func() {
			from := int64(partition) * 1_000_000
			var records []arrow.Record
			sizes := []int64{200, 20_000, 1, 0, 64, 15_000, 65, 19_000, 300, 18_000, 10, 20_000}
			for _, n := range sizes {
				records = append(records, ints("x", upFrom(from, n)...))
				from += n
			}
			got, err := predict(conn, records...)
			if err != nil {
				t.Errorf("partition %d: %v", partition, err)
				return
			}
			next := int64(partition) * 1_000_000
			for i, values := range got {
				if int64(len(values)) != sizes[i] {
					t.Errorf("partition %d: %d predictions for %d rows", partition, len(values), sizes[i])
				}
				for _, v := range values {
					if v != 2*next {
						t.Fatalf("partition %d: %d for row %d", partition, v, next)
					}
					next++
				}
			}
		})
	}
	all.Wait()
	result, err := s.end()
	if err != nil {
		t.Fatal(err)
	}
	if result.Rows != 5*92_640 || len(result.Served) != 5 || result.Digest == "" || result.LoadSeconds < 0 || result.Seconds <= 0 || len(result.Steps) == 0 {
		t.Errorf("result %+v", result)
	}
	if s.loads != 1 || !d.closed || slices.Max(d.rows) != 64 {
		t.Errorf("%d loads, closed %v, batches of %d rows at most", s.loads, d.closed, slices.Max(d.rows))
	}
}

// TestServeCountsTheLastAttempt: what a task took that was tried again later is
// not counted, and less so what a task took in part.
func TestServeCountsTheLastAttempt(t *testing.T) {
	s := serveDoubler(t, &doubler{bad: -1})
	for _, attempt := range []int64{1, 5} {
		if _, err := predict(s.task(0, attempt), ints("x", upFrom(0, 100+attempt)...)); err != nil {
			t.Fatal(err)
		}
	}
	killed := s.task(1, 2)
	if err := ipc.NewWriter(killed, ipc.WithSchema(ints("x").Schema())).Write(ints("x", 1)); err != nil {
		t.Fatal(err)
	}
	killed.Close()
	s.task(2, 3).Close()
	if _, err := predict(s.task(1, 6), ints("x", 7)); err != nil {
		t.Fatal(err)
	}
	result, err := s.end()
	want := []ServedPartition{
		{Partition: 0, Attempt: 5, Account: Account{Read: 105, Rows: 105}},
		{Partition: 1, Attempt: 6, Account: Account{Read: 1, Rows: 1}}}
	if err != nil || !slices.Equal(result.Served, want) || result.Rows != 106 {
		t.Errorf("%+v, %v, want %v", result, err, want)
	}
}

// TestServeEndsAtABadRow: the error names the partition, the row in it, the
// column and what is wrong; other streams end with it.
func TestServeEndsAtABadRow(t *testing.T) {
	broken := &model.GraphError{Doing: "run", Err: errors.New("JPEG is invalid")}
	for name, c := range map[string]struct {
		m    *doubler
		code exit.Code
		want string
	}{
		"a value":      {&doubler{bad: 150}, 6, `predict partition 3: row 150, column "x": is bad`},
		"in the graph": {&doubler{bad: 150, failed: broken}, 6, `predict partition 3: row 150, column "-": the graph failed: JPEG is invalid`},
		"in every row": {&doubler{bad: -1, broken: true}, 6, `predict partition 3: row 0, column "-": the graph failed: invalid JPEG`},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveDoubler(t, c.m)
			idle := s.task(9, 1)
			if _, err := predict(s.task(3, 1), ints("x", upFrom(0, 100)...), ints("x", upFrom(100, 100)...)); err == nil {
				t.Error("the task had its predictions")
			}
			end := <-s.ended
			if end.err == nil || !strings.Contains(end.err.Error(), c.want) || ExitCode(end.err) != c.code {
				t.Errorf("%v (exit %d), want %q (exit %d)", end.err, ExitCode(end.err), c.want, c.code)
			}
			if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the other stream: %v", err)
			}
			close(s.streams)
		})
	}
}

// broken is a model that computes nothing.
type broken struct{}

func (broken) Predict(context.Context, memory.Allocator, *model.Binding, arrow.Record) ([]arrow.Array, error) {
	return nil, errors.New("engine: no kernel for it")
}

func (broken) Close() error { return nil }

// TestServeBlamesTheModel where no row can be computed.
func TestServeBlamesTheModel(t *testing.T) {
	s := serveDoubler(t, broken{})
	if _, err := predict(s.task(0, 1), ints("x", 1, 2, 3)); err == nil {
		t.Error("predicted")
	}
	if end := <-s.ended; end.err == nil || strings.Contains(end.err.Error(), "row") || ExitCode(end.err) != 5 {
		t.Errorf("%v (exit %d), want no row and exit 5", end.err, ExitCode(end.err))
	}
	close(s.streams)
}

func TestServeRefusesOtherColumns(t *testing.T) {
	s := serveDoubler(t, &doubler{bad: -1})
	text := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.BinaryTypes.String}}, nil), []arrow.Array{array.MakeArrayOfNull(memory.DefaultAllocator, arrow.BinaryTypes.String, 1)}, 1)
	if _, err := predict(s.task(0, 1), text); err == nil {
		t.Error("predicted")
	}
	if end := <-s.ended; ExitCode(end.err) != 6 || !strings.Contains(end.err.Error(), "cast the column to bigint") {
		t.Errorf("%v (exit %d)", end.err, ExitCode(end.err))
	}
	close(s.streams)
}
