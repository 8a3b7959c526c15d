package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	attrpb "github.com/wamuir/graft/tensorflow/core/framework/attr_value_go_proto"
	graphpb "github.com/wamuir/graft/tensorflow/core/framework/graph_go_proto"
	nodepb "github.com/wamuir/graft/tensorflow/core/framework/node_def_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	corepb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/exit"
	"tfos/internal/export"
	"tfos/internal/feed"
	"tfos/internal/files"
	"tfos/internal/infer"
	"tfos/internal/model"
)

// doublerModel writes a SavedModel with y = x + x, made here without Python.
func doublerModel(t *testing.T) string {
	t.Helper()
	dtype := &attrpb.AttrValue{Value: &attrpb.AttrValue_Type{Type: typespb.DataType_DT_INT64}}
	rows := &shapepb.TensorShapeProto{Dim: []*shapepb.TensorShapeProto_Dim{{Size: -1}}}
	tensor := func(alias, name string) map[string]*corepb.TensorInfo {
		return map[string]*corepb.TensorInfo{alias: {Encoding: &corepb.TensorInfo_Name{Name: name}, Dtype: typespb.DataType_DT_INT64, TensorShape: rows}}
	}
	b, err := proto.Marshal(&corepb.SavedModel{SavedModelSchemaVersion: 1, MetaGraphs: []*corepb.MetaGraphDef{{
		MetaInfoDef: &corepb.MetaGraphDef_MetaInfoDef{Tags: []string{"serve"}},
		GraphDef: &graphpb.GraphDef{Node: []*nodepb.NodeDef{
			{Name: "in", Op: "Placeholder", Attr: map[string]*attrpb.AttrValue{"dtype": dtype, "shape": {Value: &attrpb.AttrValue_Shape{Shape: rows}}}},
			{Name: "sum", Op: "AddV2", Input: []string{"in", "in"}, Attr: map[string]*attrpb.AttrValue{"T": dtype}},
		}},
		SignatureDef: map[string]*corepb.SignatureDef{"serving_default": {Inputs: tensor("x", "in:0"), Outputs: tensor("y", "sum:0")}},
	}}})
	dir := t.TempDir()
	if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "saved_model.pb"), b, 0o644)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func numbers(t *testing.T, rows int) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
	}
	path := filepath.Join(t.TempDir(), "x.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	record := b.NewRecord()
	defer record.Release()
	if err := errors.Join(w.Write(record), w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// childReport is what a member has received from its child.
type childReport struct {
	phases  []string
	rows    int64
	results []infer.Result
	failed  []feed.Failure
}

// shortDir makes a temporary folder for sockets, whose paths have at most 108 bytes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tfos")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// serveMember plays tfos-node: it answers one ATTACH with the work, and reads frames until
// the child ends.
func serveMember(t *testing.T, kind string, work any) (socket string, received <-chan childReport) {
	t.Helper()
	socket = filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, err := json.Marshal(work)
	if err != nil {
		t.Fatal(err)
	}
	to := make(chan childReport, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			t.Errorf("accept: %v", err)
			close(to)
			return
		}
		defer conn.Close()
		to <- listen(t, conn, feed.ProgramContext{Kind: kind, Work: raw})
	}()
	return socket, to
}

func listen(t *testing.T, conn net.Conn, context feed.ProgramContext) (h childReport) {
	var attach feed.AttachRequest
	if err := errors.Join(feed.ReadJSON(conn, feed.TypeAttach, &attach), feed.WriteJSON(conn, feed.TypeContext, context)); err != nil {
		t.Errorf("attach: %v", err)
		return h
	}
	for {
		typ, payload, err := feed.ReadFrame(conn)
		if err != nil {
			return h
		}
		switch typ {
		case feed.TypePhase:
			h.phases = append(h.phases, decode[feed.PhaseReport](t, payload).Phase)
		case feed.TypeProgress:
			h.rows = decode[feed.ProgressReport](t, payload).Rows
		case feed.TypeResult:
			h.results = append(h.results, decode[infer.Result](t, payload))
		case feed.TypeFailed:
			h.failed = append(h.failed, decode[feed.Failure](t, payload))
		default:
			t.Errorf("frame of type %#x", typ)
		}
	}
}

func decode[T any](t *testing.T, payload []byte) (v T) {
	if err := json.Unmarshal(payload, &v); err != nil {
		t.Errorf("payload %q: %v", payload, err)
	}
	return v
}

func wait(t *testing.T, received <-chan childReport) childReport {
	t.Helper()
	select {
	case h := <-received:
		return h
	case <-time.After(30 * time.Second):
		t.Fatal("the child does not hang up")
		return childReport{}
	}
}

// request doubles numbers, ten a batch.
func request(t *testing.T, rows int) infer.SplitsRequest {
	t.Helper()
	recipe, splits, err := infer.Input{Format: files.Parquet, Path: numbers(t, rows)}.Plan(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return infer.SplitsRequest{Computation: infer.Computation{Source: model.Source{Model: doublerModel(t)}, BatchSize: 10}, Output: t.TempDir(), Format: files.Parquet, Input: recipe, Splits: splits}
}

func TestRunInfersAndReports(t *testing.T) {
	req := request(t, 95)
	req.Splits[0].ID = 7
	socket, received := serveMember(t, "infer", req)
	var stderr bytes.Buffer
	if status := run(t.Context(), []string{"run"}, socket, &bytes.Buffer{}, &stderr); status != statusDone {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	h := wait(t, received)
	if have := strings.Join(h.phases, " "); have != "importing running ended" {
		t.Errorf("phases %q", have)
	}
	if len(h.failed) != 0 || len(h.results) != 1 || h.rows != 95 {
		t.Fatalf("received %+v", h)
	}
	r := h.results[0]
	if r.Rows != 95 || len(r.Splits) != 1 || r.Splits[0].Output != "part-00007.parquet" || r.LoadSeconds <= 0 {
		t.Errorf("result %+v", r)
	}
	if _, err := os.Stat(filepath.Join(req.Output, "part-00007.parquet")); err != nil {
		t.Error(err)
	}
}

// An export is written, loaded and run on zeros. A signature that is not there fails it.
func TestRunExports(t *testing.T) {
	req := export.Request{ExportSource: model.ExportSource{Graph: doublerModel(t)}, Output: t.TempDir() + "/out"}
	req.Signatures.Declare = map[string]model.DeclaredSignature{"twice": {Inputs: map[string]string{"a": "in"}, Outputs: map[string]string{"b": "sum:0"}}}
	socket, received := serveMember(t, "export", req)
	var stderr bytes.Buffer
	if status := run(t.Context(), []string{"run"}, socket, &bytes.Buffer{}, &stderr); status != statusDone {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	h := wait(t, received)
	if have := strings.Join(h.phases, " "); have != "importing exporting proving ended" || len(h.results) != 1 {
		t.Errorf("%+v", h)
	}
	saved, err := model.Open(req.Output)
	if err != nil {
		t.Fatal(err)
	}
	graph, err := saved.MetaGraph()
	if err != nil || len(graph.Signatures) != 1 || graph.Signatures[0].Name != "twice" {
		t.Errorf("%+v, %v", graph, err)
	}
	req.Output, req.Signatures.Declare = t.TempDir()+"/out", nil
	req.Signatures.Keep = []string{"none"}
	socket, received = serveMember(t, "export", req)
	if status := run(t.Context(), []string{"run"}, socket, &bytes.Buffer{}, &stderr); status != statusFailed {
		t.Errorf("status %d", status)
	}
	if h := wait(t, received); len(h.failed) != 1 || h.failed[0].Code != 2 || !strings.Contains(h.failed[0].Cause, "signatures there: serving_default") {
		t.Errorf("%+v", h)
	}
}

func TestRunReportsFailures(t *testing.T) {
	good := request(t, 1)
	noModel, wrongColumn := good, good
	noModel.Model = t.TempDir()
	wrongColumn.InputMapping = map[string]string{"image": "x"}
	tests := map[string]struct {
		kind  string
		work  any
		phase string
		code  exit.Code
		cause string
	}{
		"no model":     {"infer", noModel, "importing", 2, "saved_model.pb"},
		"wrong column": {"infer", wrongColumn, "importing", 6, "there is no column image"},
		"not a job":    {"infer", "nonsense", "importing", 5, "decode the work"},
		"unknown kind": {"tune", good, "importing", 5, `"tune"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			socket, received := serveMember(t, tt.kind, tt.work)
			var stderr bytes.Buffer
			if status := run(t.Context(), []string{"run"}, socket, &bytes.Buffer{}, &stderr); status != statusFailed {
				t.Errorf("status %d", status)
			}
			h := wait(t, received)
			if len(h.failed) != 1 || len(h.results) != 0 {
				t.Fatalf("received %+v", h)
			}
			f := h.failed[0]
			if f.Phase != tt.phase || f.Code != tt.code || !strings.Contains(f.Cause, tt.cause) || strings.Contains(f.Cause, "\n") {
				t.Errorf("received %+v, want phase %s, code %d, %q", f, tt.phase, tt.code, tt.cause)
			}
			if !strings.Contains(stderr.String(), tt.cause) {
				t.Errorf("standard error: %s", stderr.String())
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	tests := []struct {
		args   string
		status int
		stdout string
		stderr string
	}{
		{"version", statusDone, "2.", ""},
		{"run", statusUsage, "", "TFOS_SOCKET is not set"},
		{"", statusUsage, "", "usage:"},
		{"train", statusUsage, "", "usage:"},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), strings.Fields(tt.args), "", &stdout, &stderr)
		if status != tt.status || !strings.HasPrefix(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%q: status %d, %q, %q", tt.args, status, stdout.String(), stderr.String())
		}
	}
	if status := run(t.Context(), []string{"run"}, filepath.Join(t.TempDir(), "gone"), &bytes.Buffer{}, &bytes.Buffer{}); status != statusFailed {
		t.Errorf("no member: status %d", status)
	}
}

func TestProgressIsThinnedOut(t *testing.T) {
	now := time.Unix(0, 0)
	var childReport []int64
	report := every(time.Second, func() time.Time { return now }, func(_, rows, _ int64) { childReport = append(childReport, rows) })
	for _, step := range []struct {
		after        time.Duration
		splits, rows int64
	}{{time.Hour, 0, 1}, {time.Millisecond, 0, 2}, {time.Second, 0, 3}, {time.Millisecond, 1, 4}, {time.Millisecond, 1, 5}} {
		now = now.Add(step.after)
		report(step.splits, step.rows, 0)
	}
	if len(childReport) != 3 || childReport[0] != 1 || childReport[1] != 3 || childReport[2] != 4 {
		t.Errorf("childReport %v, want 1, 3 and 4", childReport)
	}
}
