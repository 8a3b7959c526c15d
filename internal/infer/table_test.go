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

// TestServeRecords: a partition is noted when its task has brought all rows, and
// before the task knows it; what broke off, or has no rows, is not.
func TestServeRecords(t *testing.T) {
	folder := t.TempDir()
	s := serve(t, &doubler{bad: -1}, folder)
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
	want := ServedRecord{digest, SplitResult{ID: 7, Account: Account{Read: 100, Rows: 100}, Run: "r1"}}
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

// TestServeCannotRecord: predictions that later runs would not know of end the
// run.
func TestServeCannotRecord(t *testing.T) {
	s := serve(t, &doubler{bad: -1}, filepath.Join(t.TempDir(), "absent"))
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
	identify := func(change func(*Request, *Table)) Identity {
		t.Helper()
		r := Request{Source: model.Source{Model: doublerModel(t, nil)}, Signature: "serving_default", Keep: []string{"id"}, Format: "orc", Query: "SELECT 1", PartitionBy: []string{"id"}}
		table := Table{Schema: message(arrow.PrimitiveTypes.Int64), Plan: "p", Settings: map[string]string{"zone": "UTC"}, Partitions: []string{"a"}}
		change(&r, &table)
		id, err := r.IdentifyTable(t.Context(), table)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	base := identify(func(*Request, *Table) {})
	if want := []string{"x: int64", "id: int64"}; !slices.Equal(base.Schema, want) || !base.BySpark() || base.Digest == "" {
		t.Errorf("identity %+v", base)
	}
	for _, test := range []struct {
		want   string
		change func(*Request, *Table)
	}{
		{"", func(r *Request, table *Table) { r.BatchSize, table.Partitions = 7, nil }},
		{"the table or query", func(r *Request, _ *Table) { r.Query = "SELECT 2" }},
		{"output.partition_by", func(r *Request, _ *Table) { r.PartitionBy = nil }},
		{"output.format", func(r *Request, _ *Table) { r.Format = "json" }},
		{"input.options", func(r *Request, _ *Table) { r.Input.Options = map[string]string{"header": "true"} }},
		{"spark.sql.ansi.enabled, zone", func(_ *Request, table *Table) {
			table.Settings = map[string]string{"zone": "CET", "spark.sql.ansi.enabled": "true"}
		}},
		{"zone", func(_ *Request, table *Table) { table.Settings = nil }},
		{"the columns' types (x: int64, id: int64)", func(_ *Request, table *Table) { table.Schema = message(arrow.PrimitiveTypes.Int32) }},
		{"what Spark does to read the input (a view, a table's settings or columns, or Spark itself has changed)", func(_ *Request, table *Table) { table.Plan = "q" }},
	} {
		if got := strings.Join(identify(test.change).Differences(base), ", "); got != test.want {
			t.Errorf("differs in %q, want %q", got, test.want)
		}
	}
	executors, err := Identify(t.Context(), jsonRequest(t, `{"id": 1, "x": 3}`+"\n"))
	if err != nil || !slices.Contains(executors.Differences(base), "read_by") {
		t.Errorf("what executors make differs in %q: %v", executors.Differences(base), err)
	}
}
