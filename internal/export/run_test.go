package export

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tfos/internal/exit"
	"tfos/internal/model"
	"tfos/internal/store"
)

// text is a SavedModel with two signatures.
const text = `meta_graphs {
  meta_info_def { tags: "serve" }
  graph_def { node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } } }
  signature_def { key: "a" value { inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT } } outputs { key: "y" value { name: "x:0" dtype: DT_FLOAT } } } }
  signature_def { key: "b" value { inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT } } outputs { key: "y" value { name: "x:0" dtype: DT_FLOAT } } } }
}`

func request(t *testing.T) *Request {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/saved/assets", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"saved/saved_model.pbtxt": text, "saved/assets/words": "cat\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &Request{ExportSource: model.ExportSource{Graph: dir + "/saved"}, Output: dir + "/out"}
}

// fake is a loaded model whose signatures fail as a test says.
type fake map[string]error

func (f fake) RunZeros(sig *model.Signature) error { return f[sig.Name] }
func (f fake) Close() error                        { return nil }

func run(t *testing.T, req *Request, loaded fake, loadErr error) (Result, []string, error) {
	t.Helper()
	var phases []string
	result, err := Run(t.Context(), req, func(context.Context, *model.Program) (Model, error) { return loaded, loadErr },
		func(phase string) error { phases = append(phases, phase); return nil })
	return result, phases, err
}

// A signature that zeros do not suit is loaded only, and that is said.
func TestRun(t *testing.T) {
	req := request(t)
	result, phases, err := run(t, req, fake{"b": &model.GraphError{Doing: "run", Err: errors.New("no record")}}, nil)
	if err != nil || strings.Join(phases, " ") != "exporting proving" {
		t.Fatal(phases, err)
	}
	if want := []Signature{{Name: "a", Ran: true}, {Name: "b", NotRun: "no record"}}; !slices.Equal(result.Signatures, want) {
		t.Errorf("%+v", result.Signatures)
	}
	// All readers know the binary form.
	graph, err := os.Stat(req.Output + "/saved_model.pb")
	if err != nil || result.Files != 2 || result.Bytes != graph.Size()+4 {
		t.Errorf("%d files, %d bytes, %v", result.Files, result.Bytes, err)
	}
	// The source is written in place, as TensorFlow writes assets.
	if err := os.WriteFile(req.Graph+"/assets/words", []byte("dog\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(req.Output + "/assets/words")
	if err != nil || string(content) != "cat\n" {
		t.Error(string(content), err)
	}
}

// What does not load, or does not run for another reason, is no export.
func TestRunRefusesWhatDoesNotLoad(t *testing.T) {
	broken := errors.New("broken")
	if _, _, err := run(t, request(t), nil, broken); !errors.Is(err, broken) || !strings.Contains(err.Error(), "is not kept") {
		t.Error(err)
	}
	if _, _, err := run(t, request(t), fake{"a": broken}, nil); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestRunCannotWrite(t *testing.T) {
	req := request(t)
	if err := os.WriteFile(req.Output, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := run(t, req, fake{}, nil)
	if exit.CodeOf(err, exit.Internal) != exit.Output {
		t.Error(err)
	}
}

// Only the chosen signatures are left, in a file of another form.
func TestRunKeepsSignatures(t *testing.T) {
	req := request(t)
	req.Signatures.Keep = []string{"b"}
	result, _, err := run(t, req, fake{}, nil)
	if err != nil || !slices.Equal(result.Signatures, []Signature{{Name: "b", Ran: true}}) {
		t.Fatal(result, err)
	}
	if _, err := os.Stat(req.Output + "/saved_model.pbtxt"); err == nil {
		t.Error("the source's graph is there too")
	}
}

// A data file is made of pieces of others, in their order.
func TestWriteData(t *testing.T) {
	dir := t.TempDir()
	from, to := dir+"/from", dir+"/to"
	if err := os.WriteFile(from, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	pieces := []model.Piece{{Path: from, Offset: 8, Size: 2}, {Path: from, Offset: 1, Size: 2}, {Path: from, Offset: 3, Size: 1}}
	if n := len(join(pieces)); n != 2 {
		t.Errorf("%d pieces", n)
	}
	if err := (store.Local{}).Assemble(t.Context(), join(pieces), to); err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(to); string(content) != "89123" {
		t.Errorf("%q", content)
	}
}

// TestRunWaits: a run whose export another process writes takes that one's account, and
// ends with its context.
func TestRunWaits(t *testing.T) {
	req := request(t)
	req.Written = req.Output + ".written"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	load := func(context.Context, *model.Program) (Model, error) { return fake{}, nil }
	enter := func(string) error { return nil }
	if _, err := Run(ctx, req, load, enter); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wrote := make(chan error, 1)
	go func() { wrote <- WriteBeside(t.Context(), req) }()
	result, err := Run(t.Context(), req, load, enter)
	if err := errors.Join(err, <-wrote); err != nil || result.Files != 2 || result.Graph != req.Graph || len(result.Signatures) != 2 {
		t.Errorf("%+v, %v", result, err)
	}
}
