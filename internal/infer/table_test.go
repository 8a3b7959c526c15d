package infer

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"tfos/internal/model"
)

// recorded is a request for the doubler whose partitions are noted in a folder.
func recorded(t *testing.T, folder string) PartitionsRequest {
	t.Helper()
	return PartitionsRequest{Computation: Computation{Source: model.Source{Model: doublerModel(t, nil)}, BatchSize: 64, Records: folder, Run: "r1"}}
}

// TestServeRecords: a partition is noted when its task has brought all rows, and
// before the task knows it; what broke off, or has no rows, is not.
func TestServeRecords(t *testing.T) {
	folder := t.TempDir()
	s := serve(t, &doubler{bad: -1}, recorded(t, folder))
	path := filepath.Join(folder, "partition-00007.json")
	conn := s.task(7, 1)
	w := ipc.NewWriter(conn, ipc.WithSchema(ints("x").Schema()))
	if err := w.Write(ints("x", upFrom(0, 100)...)); err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(conn)
	if err == nil {
		_, err = r.Read()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("noted before its end")
	}
	go w.Close()
	if _, err := r.Read(); err == nil {
		t.Fatal("no end of the predictions")
	}
	var record ServedRecord
	text, err := os.ReadFile(path)
	if err := errors.Join(err, json.Unmarshal(text, &record)); err != nil {
		t.Fatalf("not noted when the task knows: %v", err)
	}
	digest, err := model.Source{Model: doublerModel(t, nil)}.Digest()
	want := ServedRecord{digest, PartitionResult{PartInfo: PartInfo{ID: 7, Account: Account{Read: 100, Rows: 100}, Run: "r1"}}}
	if err != nil || !reflect.DeepEqual(record, want) {
		t.Errorf("record %+v, want %+v: %v", record, want, err)
	}
	broken := s.task(8, 2)
	if err := ipc.NewWriter(broken, ipc.WithSchema(ints("x").Schema())).Write(ints("x", 1)); err != nil {
		t.Fatal(err)
	}
	broken.Close()
	conn.Close()
	if _, err := s.end(); err != nil {
		t.Fatal(err)
	}
	if have := left(t, folder); len(have) != 1 {
		t.Errorf("records %v", have)
	}
}

// TestServeRecordsBadRows: with the whole account and the quarantine file, which is
// there by then; and not where the connection ends and not the rows, though what
// came was answered.
func TestServeRecordsBadRows(t *testing.T) {
	folder := t.TempDir()
	req := recorded(t, folder)
	req.OnBadRow, req.Keep, req.Aside = Quarantine, []string{"id"}, filepath.Join(t.TempDir(), "aside")
	s := serve(t, &doubler{bad: -1, unfit: among(2, 5), breaks: among(3)}, req)
	broken := s.task(1, 8)
	w := ipc.NewWriter(broken, ipc.WithSchema(rows().Schema()))
	err := w.Write(rows(2))
	if r, err2 := ipc.NewReader(broken); err2 != nil || !r.Next() {
		t.Fatal(err, err2)
	}
	broken.Close()
	for partition, values := range [][]int64{{1, 2, 3}, nil, {5, -1}} {
		if values != nil {
			if _, err := exchange(s.task(partition, 9), rows(values...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	result, err := s.end()
	if err != nil || len(result.Served) != 2 {
		t.Fatalf("%+v, %v", result.Served, err)
	}
	if have := left(t, folder); !slices.Equal(have, []string{"partition-00000.json", "partition-00002.json"}) {
		t.Errorf("records %v", have)
	}
	for i, account := range []Account{{Read: 3, Rows: 1, Quarantined: 2, GraphFailed: 1}, {Read: 2, Quarantined: 2}} {
		served := result.Served[i]
		var record ServedRecord
		text, err := os.ReadFile(filepath.Join(folder, RecordName(PartitionName(served.Partition))))
		if err := errors.Join(err, json.Unmarshal(text, &record)); err != nil {
			t.Fatal(err)
		}
		want := PartitionResult{PartInfo: PartInfo{ID: served.Partition, Account: account, Run: "r1", Quarantine: served.Quarantine, FirstBad: served.FirstBad}}
		if want.FirstBad != nil {
			first := *want.FirstBad
			first.graph = false // which is not for later runs
			want.FirstBad = &first
		}
		if served.Account != account || want.Quarantine == nil || want.FirstBad == nil || !reflect.DeepEqual(record.Part, want) {
			t.Errorf("served %+v, record %+v, want %+v", served, record.Part, want)
		}
		if _, err := os.Stat(filepath.Join(req.Aside, record.Part.Quarantine.Output)); err != nil {
			t.Error(err)
		}
	}
}

// TestServeCannotRecord: predictions that later runs would not know of end the
// run.
func TestServeCannotRecord(t *testing.T) {
	s := serve(t, &doubler{bad: -1}, recorded(t, filepath.Join(t.TempDir(), "absent")))
	_, _ = predict(s.task(0, 1), ints("x", 1)) // its connection ends, before or after it has all
	end := <-s.ended
	if ExitCode(end.err) != 7 || !strings.Contains(end.err.Error(), "partition-00000.json") {
		t.Errorf("%v (exit %d)", end.err, ExitCode(end.err))
	}
	close(s.streams)
}

// TestIdentifyTable changes what parts of Spark's depend on, one at a time.
func TestIdentifyTable(t *testing.T) {
	message := func(kind arrow.DataType) []byte {
		var out bytes.Buffer
		fields := []arrow.Field{{Name: "id", Type: kind}, {Name: "x", Type: arrow.PrimitiveTypes.Int64}, {Name: "other", Type: kind}}
		if err := ipc.NewWriter(&out, ipc.WithSchema(arrow.NewSchema(fields, nil))).Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	identify := func(change func(*PartitionsRequest, *Table)) Identity {
		t.Helper()
		r := PartitionsRequest{Computation: Computation{Source: model.Source{Model: doublerModel(t, nil)}, Signature: "serving_default", Keep: []string{"id"}}, Format: "orc", Query: "SELECT 1", PartitionBy: []string{"id"}}
		table := Table{Schema: message(arrow.PrimitiveTypes.Int64), Plan: "p", Settings: map[string]string{"zone": "UTC"}, Partitions: []string{"a"}}
		change(&r, &table)
		id, err := r.Identify(t.Context(), table)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	base := identify(func(*PartitionsRequest, *Table) {})
	if want := []string{"x: int64", "id: int64"}; !slices.Equal(base.Schema, want) || base.Kind != Partitions || base.Digest == "" {
		t.Errorf("identity %+v", base)
	}
	for _, test := range []struct {
		want   string
		change func(*PartitionsRequest, *Table)
	}{
		{"", func(r *PartitionsRequest, table *Table) { r.BatchSize, table.Partitions = 7, nil }},
		{"the table or query", func(r *PartitionsRequest, _ *Table) { r.Query = "SELECT 2" }},
		{"output.partition_by", func(r *PartitionsRequest, _ *Table) { r.PartitionBy = nil }},
		{"output.format", func(r *PartitionsRequest, _ *Table) { r.Format = "json" }},
		{"input.options", func(r *PartitionsRequest, _ *Table) { r.Options = map[string]string{"header": "true"} }},
		{"spark.sql.ansi.enabled, zone", func(_ *PartitionsRequest, table *Table) {
			table.Settings = map[string]string{"zone": "CET", "spark.sql.ansi.enabled": "true"}
		}},
		{"zone", func(_ *PartitionsRequest, table *Table) { table.Settings = nil }},
		{"the columns' types (x: int64, id: int64)", func(_ *PartitionsRequest, table *Table) { table.Schema = message(arrow.PrimitiveTypes.Int32) }},
		{"what Spark does to read the input (a view, a table's settings or columns, or Spark itself has changed)", func(_ *PartitionsRequest, table *Table) { table.Plan = "q" }},
	} {
		if got := strings.Join(identify(test.change).Differences(base), ", "); got != test.want {
			t.Errorf("differs in %q, want %q", got, test.want)
		}
	}
	files := jsonRequest(t, `{"id": 1, "x": 3}`+"\n")
	executors, err := Identify(t.Context(), &files)
	if err != nil || !slices.Contains(executors.Differences(base), "read_by") {
		t.Errorf("what executors make differs in %q: %v", executors.Differences(base), err)
	}
}
