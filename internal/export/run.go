package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tfos/internal/model"
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

// Run writes the export and proves it. enter reports the phases. An error leaves a
// folder that must not be published.
func Run(ctx context.Context, req *Request, load Load, enter func(phase string) error) (Result, error) {
	begin := time.Now()
	e, err := req.Export(req.Signatures)
	if err != nil {
		return Result{}, err
	}
	result := Result{Graph: cmp.Or(req.Origin, e.Graph), Checkpoint: e.Checkpoint, Notes: e.Notes, Signatures: []Signature{}}
	s, err := store.For(req.Output)
	if err != nil {
		return result, err
	}
	if err := enter(Exporting); err != nil {
		return result, err
	}
	if err := write(ctx, s, e, req.Output); err != nil {
		return result, err
	}
	written, err := s.List(ctx, store.Literal(req.Output))
	if err != nil {
		return result, &Error{req.Output, err}
	}
	for _, f := range written {
		result.Files++
		result.Bytes += f.Size
	}
	proof := time.Now()
	result.WriteTime = proof.Sub(begin).Seconds()
	if err := enter(Proving); err != nil {
		return result, err
	}
	if err := prove(ctx, req, e, load, &result); err != nil {
		return result, fmt.Errorf("the export does not load, and is not kept: %w", err)
	}
	result.ProofTime = time.Since(proof).Seconds()
	return result, ctx.Err()
}

// prove loads the export and runs its signatures.
func prove(ctx context.Context, req *Request, e *model.Export, load Load, result *Result) (err error) {
	program, signatures, unfit, err := model.Source{Model: req.Output, TagSet: e.TagSet}.SignatureProgram()
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
