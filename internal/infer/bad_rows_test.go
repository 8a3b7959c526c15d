package infer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"tfos/internal/files"
)

// among has numbers as a set.
func among(numbers ...int64) map[int64]bool {
	set := map[int64]bool{}
	for _, n := range numbers {
		set[n] = true
	}
	return set
}

// TestBadRowsAreSetAside: rows that do not fit and rows for which the graph
// fails, at the ends of batches too, and a batch of nothing else.
func TestBadRowsAreSetAside(t *testing.T) {
	path := inputFile(t, t.TempDir(), "a", 0, 100, 100, 33) // batches of 64: 0-63, 64-127, 128-191, 192-232
	unfit, breaks := among(0, 63, 70, 71), among(5, 127, 232)
	for x := int64(128); x < 192; x++ {
		unfit[x] = true
	}
	for _, policy := range []BadRows{Skip, Quarantine} {
		req := request(t, path)
		req.OnBadRow = policy
		d := &doubler{bad: -1, unfit: unfit, breaks: breaks}
		result, err := Run(t.Context(), &req, d.load, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := Account{Read: 233, Rows: 233 - 71, Skipped: 71, GraphFailed: 3}
		if policy == Quarantine {
			want.Skipped, want.Quarantined = 0, 71
		}
		split := result.Splits[0]
		if result.Account != want || split.Account != want || want.Balance() != nil {
			t.Errorf("%s: %+v, want %+v", policy, result.Account, want)
		}
		if first := split.FirstBad; first == nil || first.String() != path+`: row 0, column "x": is bad` {
			t.Errorf("%s: the first is %v", policy, first)
		}
		table := readBack(t, filepath.Join(req.Output, split.Output))
		r := array.NewTableReader(table, 1000)
		defer r.Release()
		r.Next()
		x := int64(0)
		for i, y := range r.Record().Column(2).(*array.Int64).Int64Values() {
			for unfit[x] || breaks[x] {
				x++
			}
			if id := r.Record().Column(1).(*array.String); y != 2*x || id.IsNull(i) != (x%7 == 0) || !id.IsNull(i) && id.Value(i) != idOf(x) {
				t.Fatalf("%s: row %d is %d, %s; want that of %d", policy, i, y, id.ValueStr(i), x)
			}
			x++
		}
		if have := left(t, req.Output); policy == Skip && len(have) != 1 {
			t.Errorf("skip: files %v", have)
		}
		if policy == Quarantine {
			checkQuarantine(t, req, split, unfit, breaks)
		}
	}
}

func checkQuarantine(t *testing.T, req SplitsRequest, s SplitResult, unfit, breaks map[int64]bool) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(req.Output, s.Quarantine.Output))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	if s.Quarantine.Output != "_quarantine/part-00000.parquet" || s.Quarantine.Rows != 71 || s.Quarantine.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("quarantine %+v, sum %x", s.Quarantine, sum)
	}
	table := readBack(t, filepath.Join(req.Output, s.Quarantine.Output))
	r := array.NewTableReader(table, 1000)
	defer r.Release()
	r.Next()
	record := r.Record()
	var names []string
	for _, f := range record.Schema().Fields() {
		names = append(names, f.Name)
	}
	if want := []string{"file", "offset", "row", "column", "reason", "tags", "id"}; !slices.Equal(names, want) {
		t.Fatalf("columns %v, want %v", names, want)
	}
	last := int64(-1)
	for i, row := range record.Column(2).(*array.Int64).Int64Values() {
		column, reason := record.Column(3).(*array.String).Value(i), record.Column(4).(*array.String).Value(i)
		switch {
		case row <= last || record.Column(0).(*array.String).Value(i) != s.Input || record.Column(1).(*array.Int64).Value(i) != 0:
			t.Errorf("row %d after %d: %s at %d", row, last, record.Column(0).ValueStr(i), record.Column(1).(*array.Int64).Value(i))
		case unfit[row] && (column != "x" || reason != "is bad"), breaks[row] && (column != "-" || reason != "the graph failed: invalid JPEG"):
			t.Errorf("row %d, column %s: %s", row, column, reason)
		case !unfit[row] && !breaks[row]:
			t.Errorf("row %d is not bad", row)
		}
		if id := record.Column(6).(*array.String); id.IsNull(i) != (row%7 == 0) || !id.IsNull(i) && id.Value(i) != idOf(row) {
			t.Errorf("row %d: kept id %s", row, id.ValueStr(i))
		}
		if tags := record.Column(5).(*array.List); tags.Offsets()[i+1]-tags.Offsets()[i] != int32(row%3) {
			t.Errorf("row %d: kept tags %s", row, tags.ValueStr(i))
		}
		last = row
	}
}

// TestBisectionIsBounded: one bad row of a batch costs about two runs for each
// halving; a batch of bad rows two for each row.
func TestBisectionIsBounded(t *testing.T) {
	path := inputFile(t, t.TempDir(), "a", 0, 256)
	for _, tt := range []struct {
		breaks map[int64]bool
		runs   int
	}{{among(), 1}, {among(99), 2*8 + 1}, {among(0, 255), 4*8 - 1}} {
		req := request(t, path)
		req.BatchSize, req.OnBadRow = 256, Skip
		d := &doubler{bad: -1, breaks: tt.breaks}
		if _, err := Run(t.Context(), &req, d.load, nil); err != nil || len(d.rows) > tt.runs {
			t.Errorf("%v: %d runs, want %d at most: %v; %v", tt.breaks, len(d.rows), tt.runs, d.rows, err)
		}
	}
}

// TestBrokenGraphEndsTheRun: a graph that works for no row is no row's fault,
// and is given up long before each row was tried.
func TestBrokenGraphEndsTheRun(t *testing.T) {
	path := inputFile(t, t.TempDir(), "a", 0, 4000)
	all := 100.0
	req := request(t, path)
	req.OnBadRow = Skip
	d := &doubler{bad: -1, broken: true}
	_, err := Run(t.Context(), &req, d.load, nil)
	if ExitCode(err) != 6 || !strings.Contains(err.Error(), "the graph failed for each of 1000 rows and worked for none") || !strings.Contains(err.Error(), "row 0, column") {
		t.Errorf("%v (code %d)", err, ExitCode(err))
	}
	if len(d.rows) > 2*hopeless+100 {
		t.Errorf("%d runs", len(d.rows))
	}
	if have := left(t, req.Output); len(have) != 0 {
		t.Errorf("left behind: %v", have)
	}
	req.MaxBad = &all
	result, err := Run(t.Context(), &req, d.load, nil)
	if err != nil || result.Skipped != 4000 {
		t.Errorf("max_bad: 100%%: %+v, %v", result.Account, err)
	}
}

// TestTooManyBadRows: a member ends as soon as it knows, and leaves nothing.
func TestTooManyBadRows(t *testing.T) {
	path := inputFile(t, t.TempDir(), "a", 0, 1000)
	d := &doubler{bad: -1, unfit: among(1, 200, 600, 900)}
	share := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		max  *float64
		all  int64
		says string
	}{
		{share(0.3), 1000, `4 of 1000 rows are bad (0.4%), and max_bad is 0.3%; the first is ` + path + `: row 1, column "x": is bad`},
		{share(0), 0, "there are bad rows, and max_bad is 0%; the first is"},
		{share(0.4), 1000, ""},
		{share(0.3), 0, ""}, // the whole job is judged at its end
		{nil, 1000, ""},
	} {
		req := request(t, path)
		req.OnBadRow, req.MaxBad, req.InputRows = Quarantine, tt.max, tt.all
		_, err := Run(t.Context(), &req, d.load, nil)
		if tt.says == "" {
			if err != nil {
				t.Errorf("%v of %d: %v", tt.max, tt.all, err)
			}
			continue
		}
		if err == nil || ExitCode(err) != 6 || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v of %d: %v (code %d)", *tt.max, tt.all, err, ExitCode(err))
		}
		if have, _ := filepath.Glob(req.Output + "/*/*"); len(have) != 0 {
			t.Errorf("left behind: %v", have)
		}
	}
}

func TestJudge(t *testing.T) {
	share := func(v float64) *float64 { return &v }
	first := &BadRow{File: "f", Row: 3, Column: "c", Reason: "r"}
	for _, tt := range []struct {
		a    Account
		max  *float64
		says string
	}{
		{Account{Read: 10_000, Rows: 9943, Skipped: 57}, share(0.57), ""},
		{Account{Read: 10_000, Rows: 9942, Skipped: 58}, share(0.57), "58 of 10000 rows are bad (0.58%), and max_bad is 0.57%; the first is f: row 3, column \"c\": r"},
		{Account{Read: 2, Quarantined: 2, GraphFailed: 2}, nil, "worked for none"},
		{Account{Read: 2, Quarantined: 2, GraphFailed: 2}, share(100), ""},
		{Account{Read: 2, Quarantined: 2}, nil, ""},
		{Account{Read: 3, Rows: 1, Quarantined: 2, GraphFailed: 2}, nil, ""},
		{Account{}, share(0), ""},
	} {
		err := Judge(tt.a, first, tt.max)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v, want %q", tt.a, err, tt.says)
		}
	}
}

// TestUnreadableRows: text that is no number, lines that are no object, records
// that are no tf.Example, with what was kept of them.
func TestUnreadableRows(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		format files.Format
		path   string
		bad    []string // row, column, kept id, reason
	}{
		{files.JSON, write("a.json", `{"id":"a","x":1}
{"id":"b","x":"two"}
[3]

{"x":null,"id":"d"}
{"x":5.5,"id":"e"}
{"id":"f","x":6
{"id":"g","x":7}
`), []string{
			`1 x b "\"two\"}\n" where a number should be, 14 bytes into the row (at byte 17 of the file)`,
			`2 - (null) "[3]\n" where an object should be`, `3 x d it is null`,
			`4 x e "5.5" is not a bigint (at byte 63 of the file)`, `5 - f the JSON text ends too early`,
		}},
		{files.CSV, write("a.csv", "id,x\na,1\nb,two\nc\nd,\ne,5.5\n\"f\ng,7\n"), []string{
			`1 x b "two" is not a bigint`, `2 - (null) a row of 1 cells where there are 2 columns`, `3 x d it is null`, `4 x e "5.5" is not a bigint`, `5 - (null) cell 1: `,
		}},
	} {
		req := request(t)
		req.Keep, req.OnBadRow, req.BatchSize = []string{"id"}, Quarantine, 3
		in := Input{Format: tt.format, Path: tt.path}
		var err error
		if req.Input, req.Splits, err = in.Plan(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		result, err := runFake(t, req)
		if err != nil {
			t.Errorf("%s: %v", tt.format, err)
			continue
		}
		if want := (Account{Read: 7, Rows: 2, Quarantined: 5}); result.Account != want {
			t.Errorf("%s: %+v, want %+v", tt.format, result.Account, want)
		}
		table := readBack(t, filepath.Join(req.Output, result.Splits[0].Quarantine.Output))
		r := array.NewTableReader(table, 100)
		defer r.Release()
		r.Next()
		for i, want := range tt.bad {
			have := fmt.Sprintf("%s %s %s %s", r.Record().Column(2).ValueStr(i), r.Record().Column(3).ValueStr(i), r.Record().Column(5).ValueStr(i), r.Record().Column(4).ValueStr(i))
			if !strings.HasPrefix(have, want) {
				t.Errorf("%s: %q, want %q", tt.format, have, want)
			}
		}
		req.OnBadRow, req.Output = Fail, t.TempDir()
		if _, err := runFake(t, req); ExitCode(err) != 6 || !strings.Contains(err.Error(), tt.path+`: row 1, column "x": `) {
			t.Errorf("%s: fail: %v (code %d)", tt.format, err, ExitCode(err))
		}
	}
}

func runFake(t *testing.T, req SplitsRequest) (Result, error) {
	t.Helper()
	return Run(t.Context(), &req, (&doubler{bad: -1}).load, nil)
}

// TestRowsAreThoseOfTheFile: of a piece of parquet and Arrow they are counted from
// the file's first; of lines from the piece's.
func TestRowsAreThoseOfTheFile(t *testing.T) {
	for path, format := range map[string]files.Format{
		inputFile(t, t.TempDir(), "a", 0, 100, 300, 600): files.Parquet,
		numbersFile(t, files.Arrow, 1000):                files.Arrow,
		numbersFile(t, files.JSON, 1000):                 files.JSON,
	} {
		data, err := files.Open(t.Context(), format, path, files.ReadOptions{BadRows: true})
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := data.Splits(t.Context(), 1000)
		if err != nil || len(pieces) < 3 {
			t.Fatalf("%d pieces, %v", len(pieces), err)
		}
		req := request(t)
		req.Keep, req.OnBadRow = nil, Skip
		if req.Input, err = data.Recipe(); err != nil {
			t.Fatal(err)
		}
		for i, piece := range pieces {
			req.Splits = append(req.Splits, Split{ID: i, Split: piece})
		}
		result, err := Run(t.Context(), &req, (&doubler{bad: -1, unfit: among(999)}).load, nil)
		if err != nil {
			t.Fatal(err)
		}
		last := result.Splits[slices.IndexFunc(result.Splits, func(s SplitResult) bool { return s.FirstBad != nil })]
		want, at := int64(999), path+": row 999,"
		if format == files.JSON {
			want = last.Read - 1
			at = fmt.Sprintf("%s, from byte %d: row %d,", path, last.Offset, want)
		}
		if first := last.FirstBad; result.Read != 1000 || first.Row != want || first.Offset != last.Offset || last.Offset == 0 || !strings.HasPrefix(first.String(), at) {
			t.Errorf("%s: %v, want row %d at %q", format, first, want, at)
		}
	}
}

// TestBadRowsLeaveNoMemory: nor files of splits that fail after some.
func TestBadRowsLeaveNoMemory(t *testing.T) {
	path := inputFile(t, t.TempDir(), "a", 0, 300, 200)
	crash := errors.New("crash")
	for name, d := range map[string]*doubler{
		"done":    {bad: -1, unfit: among(3, 77, 78, 499), breaks: among(0, 63, 300)},
		"crashes": {bad: 450, failed: crash, unfit: among(3, 77, 451), breaks: among(0, 63, 300, 449)},
	} {
		for _, policy := range []BadRows{Fail, Skip, Quarantine} {
			t.Run(name+", "+string(policy), func(t *testing.T) {
				mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
				defer mem.AssertSize(t, 0)
				req := request(t, path)
				req.OnBadRow = policy
				r, err := newSplitsRun(context.WithoutCancel(t.Context()), &req, mem, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.model = d
				err = r.predictSplits(t.Context())
				if policy != Fail && errors.Is(err, crash) != (name == "crashes") || policy == Fail && ExitCode(err) != 6 {
					t.Errorf("ended with %v", err)
				}
				have, _ := filepath.Glob(req.Output + "/*/*")
				if parts := left(t, req.Output); err != nil && (len(have) > 0 || slices.Contains(parts, "part-00000.parquet")) {
					t.Errorf("left behind: %v %v", have, parts)
				}
			})
		}
	}
}
