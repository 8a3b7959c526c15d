package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tfos/internal/model"
	"tfos/internal/modelcache"
	"tfos/internal/store"
)

// Model is a loaded model.
type Model interface {
	// RunZeros runs a signature once on zeros. If a value of zero may be the cause of
	// a failure, or the signature cannot be fed with zeros, the error is a
	// *model.GraphError.
	RunZeros(*model.Signature) error
	Close() error
}

// Load makes a program's model ready to run.
type Load func(context.Context, *model.Program) (Model, error)

// Phases of an export, as a member reports them.
const (
	Exporting = "exporting"
	Proving   = "proving"
)

// Run writes the export, or waits until another process has written it, and proves it.
// enter reports the phases. An error leaves a folder that must not be published.
func Run(ctx context.Context, req *Request, load Load, enter func(phase string) error) (Result, error) {
	if err := enter(Exporting); err != nil {
		return Result{}, err
	}
	getWritten := Write
	if req.Written != "" {
		getWritten = awaitWritten
	}
	written, err := getWritten(ctx, req)
	if err != nil {
		return Result{}, err
	}
	if err := enter(Proving); err != nil {
		return Result{}, err
	}
	return proveWritten(ctx, req, written, load)
}

// Written is an export that is written, and not proved.
type Written struct {
	Graph      string   `json:"graph"`
	Checkpoint string   `json:"checkpoint"`
	TagSet     []string `json:"tag_set"`
	Notes      []string `json:"notes"`
	Files      int      `json:"files"`
	Bytes      int64    `json:"bytes"`
	Seconds    float64  `json:"seconds"`
}

// Write writes the export. It needs no TensorFlow.
func Write(ctx context.Context, req *Request) (Written, error) {
	begin := time.Now()
	source, named, err := localSource(ctx, req.ExportSource)
	if err != nil {
		return Written{}, err
	}
	e, err := source.Export(req.Signatures)
	if err != nil {
		return Written{}, err
	}
	s, err := store.For(req.Output)
	if err != nil {
		return Written{}, err
	}
	if err := write(ctx, s, e, req.Output); err != nil {
		return Written{}, err
	}
	files, err := s.List(ctx, store.Literal(req.Output))
	if err != nil {
		return Written{}, &Error{req.Output, err}
	}
	w := Written{Graph: cmp.Or(req.Origin, named(e.Graph)), Checkpoint: named(e.Checkpoint), TagSet: e.TagSet, Notes: e.Notes, Files: len(files)}
	for _, f := range files {
		w.Bytes += f.Size
	}
	w.Seconds = time.Since(begin).Seconds()
	return w, nil
}

// localSource returns a source with copies on this machine of what lies on stores, and a
// function that names the originals in a text about copies.
func localSource(ctx context.Context, s model.ExportSource) (model.ExportSource, func(string) string, error) {
	var copies []modelcache.Copy
	for _, path := range []*string{&s.Graph, &s.Checkpoint} {
		if !store.Remote(*path) {
			continue
		}
		copied, err := modelcache.Default().Fetch(ctx, *path, modelcache.Whole)
		if err != nil {
			return s, nil, err
		}
		*path = copied.Path
		copies = append(copies, copied)
	}
	return s, func(text string) string {
		for _, c := range copies {
			text = c.InURL(text)
		}
		return text
	}, nil
}

// proveWritten loads what Write has written and runs its signatures.
func proveWritten(ctx context.Context, req *Request, w Written, load Load) (Result, error) {
	begin := time.Now()
	result := Result{Graph: w.Graph, Checkpoint: w.Checkpoint, Notes: w.Notes, Files: w.Files, Bytes: w.Bytes, WriteTime: w.Seconds, Signatures: []Signature{}}
	if err := prove(ctx, req, w.TagSet, load, &result); err != nil {
		return result, fmt.Errorf("the export does not load, and is not kept: %w", err)
	}
	result.ProofTime = time.Since(begin).Seconds()
	return result, ctx.Err()
}

// prove loads the export and runs its signatures.
func prove(ctx context.Context, req *Request, tags []string, load Load, result *Result) (err error) {
	program, signatures, unfit, err := model.Source{Model: req.Output, TagSet: tags}.SignatureProgram()
	if err != nil {
		return err
	}
	loaded, err := load(ctx, program)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, loaded.Close()) }()
	for name, reason := range unfit {
		result.Signatures = append(result.Signatures, Signature{Name: name, NotRun: reason.Error()})
	}
	for _, sig := range signatures {
		if err := ctx.Err(); err != nil {
			return err
		}
		s := Signature{Name: sig.Name, Ran: true}
		var failed *model.GraphError
		switch err := loaded.RunZeros(sig); {
		case errors.As(err, &failed):
			s.Ran, s.NotRun = false, failed.Err.Error()
		case err != nil:
			return err
		}
		result.Signatures = append(result.Signatures, s)
	}
	slices.SortFunc(result.Signatures, func(a, b Signature) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}
