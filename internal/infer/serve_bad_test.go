package infer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/exit"
	"tfos/internal/model"
)

// serveSparing serves the doubler's model, 64 rows a batch, to tasks whose bad rows
// are left out; id is kept.
func serveSparing(t *testing.T, m Model, way BadRows, change func(*PartitionsRequest)) (*spark, PartitionsRequest) {
	t.Helper()
	req := PartitionsRequest{Computation: Computation{Source: model.Source{Model: doublerModel(t, nil)}, BatchSize: 64, OnBadRow: way, Keep: []string{"id"}}}
	if way == Quarantine {
		req.Aside = filepath.Join(t.TempDir(), "aside")
	}
	if change != nil {
		change(&req)
	}
	return serve(t, m, req), req
}

// rows is a record of x, null where negative, and of id, its text.
func rows(values ...int64) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "x", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "id", Type: arrow.BinaryTypes.String, Nullable: true}}, nil))
	defer b.Release()
	for _, v := range values {
		if v < 0 {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.Int64Builder).Append(v)
		}
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("r", v))
	}
	return b.NewRecord()
}

// checkAnswers looks whether each answer has the predictions of its record's good
// rows, with their numbers.
func checkAnswers(t *testing.T, records, answers []arrow.Record, bad func(int64) bool) {
	t.Helper()
	if len(answers) != len(records) {
		t.Fatalf("%d answers to %d records", len(answers), len(records))
	}
	for i, answer := range answers {
		var numbers, predictions []int64
		for row, v := range records[i].Column(0).(*array.Int64).Int64Values() {
			if !records[i].Column(0).IsNull(row) && !bad(v) {
				numbers, predictions = append(numbers, int64(row)), append(predictions, 2*v)
			}
		}
		first, second := answer.Column(0).(*array.Int64), answer.Column(1).(*array.Int64)
		if !slices.Equal(first.Int64Values(), numbers) || !slices.Equal(second.Int64Values(), predictions) || answer.ColumnName(1) != "y" || answer.NumCols() != 2 {
			t.Errorf("record %d: %v, want rows %v, predictions %v", i, answer, numbers, predictions)
		}
	}
}

// TestServeSparesBadRows: at the ends of batches and records, a record of nothing
// else and one of no rows, those over which the graph fails too.
func TestServeSparesBadRows(t *testing.T) {
	unfit, breaks := among(0, 63, 64, 149), among(5, 70, 199, 5000)
	bad := func(v int64) bool { return unfit[v] || breaks[v] }
	records := []arrow.Record{
		rows(upFrom(0, 150)...), rows(-1, -1, 149), rows(), rows(upFrom(1000, 200)...), rows(5000),
		rows(append(upFrom(150, 50), -1)...), rows(upFrom(2000, 30)...),
	}
	var bads []string // row of the partition, id
	var read int64
	for _, r := range records {
		for i, v := range r.Column(0).(*array.Int64).Int64Values() {
			if r.Column(0).IsNull(i) || bad(v) {
				bads = append(bads, fmt.Sprintf("%d %s", read+int64(i), r.Column(1).ValueStr(i)))
			}
		}
		read += r.NumRows()
	}
	for _, way := range []BadRows{Skip, Quarantine} {
		s, req := serveSparing(t, &doubler{bad: -1, unfit: unfit, breaks: breaks}, way, nil)
		sent := records
		if way == Skip { // then tasks send the inputs alone
			sent = nil
			for _, r := range records {
				sent = append(sent, array.NewRecord(arrow.NewSchema(r.Schema().Fields()[:1], nil), r.Columns()[:1], r.NumRows()))
			}
		}
		answers, err := exchange(s.task(7, 12), sent...)
		if err != nil {
			t.Fatal(err)
		}
		checkAnswers(t, sent, answers, bad)
		result, err := s.end()
		want := Account{Read: read, Rows: read - int64(len(bads)), Skipped: int64(len(bads)), GraphFailed: 4}
		if way == Quarantine {
			want.Skipped, want.Quarantined = 0, want.Skipped
		}
		if err != nil || result.Account != want || want.Balance() != nil || len(result.Served) != 1 || result.Served[0].Account != want {
			t.Fatalf("%s: %+v, %v, want %+v", way, result, err, want)
		}
		served := result.Served[0]
		if first := served.FirstBad; first == nil || first.String() != `partition 7: row 0, column "x": is bad` {
			t.Errorf("%s: the first is %v", way, first)
		}
		if way == Skip {
			if served.Quarantine != nil {
				t.Errorf("a quarantine of skipped rows: %+v", served.Quarantine)
			}
			continue
		}
		checkAside(t, req, served, bads)
	}
}

// checkAside holds a partition's quarantine file against its bad rows.
func checkAside(t *testing.T, req PartitionsRequest, p ServedPartition, bads []string) {
	t.Helper()
	file := p.Quarantine
	if file == nil || file.Output != fmt.Sprintf("_quarantine/part-%05d-%d.parquet", p.Partition, p.Attempt) || file.Rows != int64(len(bads)) {
		t.Fatalf("quarantine %+v", file)
	}
	content, err := os.ReadFile(filepath.Join(req.Aside, file.Output))
	if sum := sha256.Sum256(content); err != nil || file.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("sum %x, %v", sum, err)
	}
	r := array.NewTableReader(readBack(t, filepath.Join(req.Aside, file.Output)), 1000)
	defer r.Release()
	r.Next()
	record := r.Record()
	var names []string
	for _, f := range record.Schema().Fields() {
		names = append(names, f.Name)
	}
	if want := append(slices.Clone(PartitionColumns), "id"); !slices.Equal(names, want) {
		t.Fatalf("columns %v, want %v", names, want)
	}
	var got []string
	for i := range int(record.NumRows()) {
		got = append(got, record.Column(1).ValueStr(i)+" "+record.Column(4).ValueStr(i))
		why := record.Column(2).ValueStr(i) + " " + record.Column(3).ValueStr(i)
		if record.Column(0).ValueStr(i) != fmt.Sprint(p.Partition) || !slices.Contains([]string{"x is bad", "x it is null", "- the graph failed: invalid JPEG"}, why) {
			t.Errorf("partition %s: %s", record.Column(0).ValueStr(i), why)
		}
	}
	if !slices.Equal(got, bads) {
		t.Errorf("bad rows %v, want %v", got, bads)
	}
}

// TestServeWithoutBadRows: no account of any, and no file.
func TestServeWithoutBadRows(t *testing.T) {
	s, req := serveSparing(t, &doubler{bad: -1}, Quarantine, nil)
	records := []arrow.Record{rows(upFrom(0, 100)...), rows()}
	answers, err := exchange(s.task(0, 1), records...)
	if err != nil {
		t.Fatal(err)
	}
	checkAnswers(t, records, answers, func(int64) bool { return false })
	result, err := s.end()
	if want := (ServedPartition{Attempt: 1, Account: Account{Read: 100, Rows: 100}}); err != nil || result.Served[0] != want {
		t.Errorf("%+v, %v", result.Served, err)
	}
	if _, err := os.Stat(req.Aside); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is an output folder: %v", err)
	}
}

// TestServeAttemptsSetAside: each attempt at a partition has a file of its own, and
// the last one counts; of one that breaks off nothing stays.
func TestServeAttemptsSetAside(t *testing.T) {
	s, req := serveSparing(t, &doubler{bad: -1, unfit: among(3)}, Quarantine, nil)
	conns := []net.Conn{s.task(4, 20), s.task(4, 21), s.task(4, 22)}
	broken := ipc.NewWriter(conns[2], ipc.WithSchema(rows().Schema()))
	if err := broken.Write(rows(1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	if r, err := ipc.NewReader(conns[2]); err != nil || !r.Next() { // it has a file by now
		t.Fatal(err)
	}
	if have := left(t, filepath.Join(req.Aside, QuarantineFolder)); len(have) != 1 {
		t.Errorf("files %v", have)
	}
	conns[2].Close()
	for i, values := range [][]int64{{1, 2, 3}, {1, 2, 3, 3}} {
		if _, err := exchange(conns[i], rows(values...)); err != nil {
			t.Fatal(err)
		}
	}
	result, err := s.end()
	if want := (Account{Read: 4, Rows: 2, Quarantined: 2}); err != nil || result.Account != want || len(result.Served) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	checkAside(t, req, result.Served[0], []string{"2 r3", "3 r3"})
	if have := left(t, filepath.Join(req.Aside, QuarantineFolder)); !slices.Equal(have, []string{"part-00004-20.parquet", "part-00004-21.parquet"}) {
		t.Errorf("files %v", have)
	}
}

// TestServeEndsAtTooManyBadRows, as soon as it is known, and leaves no file.
func TestServeEndsAtTooManyBadRows(t *testing.T) {
	none := 0.0
	for name, c := range map[string]struct {
		m    *doubler
		max  *float64
		says string
	}{
		"none is taken":   {&doubler{bad: -1, unfit: among(70)}, &none, `there are bad rows, and max_bad is 0%; the first is partition 3: row 70, column "x": is bad`},
		"a broken graph":  {&doubler{bad: -1, broken: true}, nil, "the graph failed for each of 1000 rows and worked for none"},
		"a broken engine": {&doubler{bad: 90, failed: errors.New("no kernel"), unfit: among(2)}, nil, "infer: predict partition 3: no kernel"},
	} {
		t.Run(name, func(t *testing.T) {
			s, req := serveSparing(t, c.m, Quarantine, func(r *PartitionsRequest) { r.MaxBad = c.max })
			if _, err := exchange(s.task(3, 1), rows(upFrom(0, 64)...), rows(upFrom(64, 2000)...)); err == nil {
				t.Error("the task had its predictions")
			}
			end := <-s.ended
			code := exit.BadData
			if c.m.failed != nil {
				code = exit.Failed
			}
			if end.err == nil || !strings.HasPrefix(end.err.Error(), c.says) || ExitCode(end.err) != code {
				t.Errorf("%v (exit %d), want %q", end.err, ExitCode(end.err), c.says)
			}
			if have, _ := filepath.Glob(req.Aside + "/*/*"); len(have) > 0 {
				t.Errorf("left behind: %v", have)
			}
			close(s.streams)
		})
	}
}

// TestServeCannotSetAside: a quarantine that cannot be written ends the run, not
// the task's attempt.
func TestServeCannotSetAside(t *testing.T) {
	s, _ := serveSparing(t, &doubler{bad: -1, unfit: among(1)}, Quarantine, func(r *PartitionsRequest) { r.Aside = "/dev/null/aside" })
	if _, err := exchange(s.task(0, 1), rows(1, 2)); err == nil {
		t.Error("the task had its predictions")
	}
	if end := <-s.ended; ExitCode(end.err) != 7 {
		t.Errorf("%v (exit %d)", end.err, ExitCode(end.err))
	}
	close(s.streams)
}

// TestServeLeavesNoMemory, whether a stream ends well, its task goes, or the model
// fails.
func TestServeLeavesNoMemory(t *testing.T) {
	crash := errors.New("crash")
	for _, way := range []BadRows{Fail, Skip, Quarantine} {
		for _, end := range []string{"done", "away", "crashes"} {
			t.Run(string(way)+", "+end, func(t *testing.T) {
				mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
				defer mem.AssertSize(t, 0)
				d := &doubler{bad: -1, unfit: among(3, 77, 499), breaks: among(63, 300)}
				if end == "crashes" {
					d.bad, d.failed = 450, crash
				}
				req := PartitionsRequest{Computation: Computation{Source: model.Source{Model: doublerModel(t, nil)}, BatchSize: 64, OnBadRow: way, Keep: []string{"id"}}, Aside: t.TempDir()}
				s, err := newServer(&req, mem, nil)
				if err != nil {
					t.Fatal(err)
				}
				s.model = d
				task, engine := net.Pipe()
				ended := make(chan error, 1)
				go func() { ended <- s.serveStream(t.Context(), Stream{engine, 0, 1}) }()
				if end == "away" {
					w := ipc.NewWriter(task, ipc.WithSchema(rows().Schema()))
					err = errors.Join(w.Write(rows(upFrom(0, 200)...)), w.Write(rows(upFrom(200, 300)...)), task.Close())
				} else {
					_, err = exchange(task, rows(upFrom(0, 200)...), rows(upFrom(200, 300)...))
				}
				if good := end != "crashes" && way != Fail; (err == nil) != good && end+string(way) != "awayfail" {
					t.Errorf("the task: %v", err)
				}
				switch err := <-ended; {
				case end == "away" && way != Fail && err != nil, end == "done" && way != Fail && err != nil, end == "done" && way == Fail && ExitCode(err) != 6,
					end == "crashes" && way != Fail && !errors.Is(err, crash):
					t.Errorf("the stream: %v", err)
				}
				if have, _ := filepath.Glob(req.Aside + "/*/*"); len(have) > 0 != (end == "done" && way == Quarantine) {
					t.Errorf("files %v", have)
				}
			})
		}
	}
}
