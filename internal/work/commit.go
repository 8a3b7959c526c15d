package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"tfos/internal/infer"
	"tfos/internal/store"

	"tfos/internal/reserve"
)

// manifestName begins with "_" so that readers of the folder skip it.
const manifestName = "_manifest.json"

// manifest lists an inference output's files.
type manifest struct {
	Version int            `json:"version"`
	Run     string         `json:"run"`
	Model   string         `json:"model"`  // its path
	Digest  string         `json:"digest"` // model.Source.Digest
	Made    infer.Identity `json:"made,omitzero"`
	infer.Account
	Splits []infer.SplitResult `json:"splits"`
	// BadPartitions are those of what Spark has written that have bad rows, where
	// its partitions are not among Splits.
	BadPartitions []infer.ServedPartition `json:"bad_partitions,omitempty"`
}

// commit gives every output its final name. All are checked before the first
// is published. It returns those that were published, even after an error.
// resume is nil for outputs that are made as a whole.
func commit(ctx context.Context, cfg Config, result *infer.Result, resume *resumption) ([]reserve.Artifact, error) {
	artifacts := []reserve.Artifact{}
	if resume != nil && !resume.changed {
		return append(artifacts, reserve.Artifact{Kind: resume.output.Kind, Path: resume.output.Final}), nil
	}
	outputs := slices.Clone(cfg.Outputs)
	for i, o := range outputs {
		var err error
		if outputs[i], err = resume.onto(ctx, o); err == nil {
			err = prepare(ctx, cfg, outputs[i], result, resume)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, o := range outputs {
		published, err := publish(ctx, o)
		artifacts = append(artifacts, published...)
		if err != nil {
			return artifacts, partly(err, artifacts)
		}
	}
	return artifacts, nil
}

// publish gives one output its name. It returns what has its name, even after an
// error: an export may be several pieces.
func publish(ctx context.Context, o Output) ([]reserve.Artifact, error) {
	s, err := store.For(o.Final)
	if err != nil {
		return nil, err
	}
	if o.exported() {
		return publishExport(ctx, s, o)
	}
	if err := s.Publish(ctx, o.Staging, o.Final, o.Replace); err != nil {
		return nil, outputError(o, err)
	}
	return []reserve.Artifact{{Kind: o.Kind, Path: o.Final}}, nil
}

// partly adds to an error the outputs that have their names all the same.
func partly(err error, done []reserve.Artifact) error {
	if len(done) == 0 {
		return err
	}
	var paths []string
	for _, a := range done {
		paths = append(paths, a.Path)
	}
	return fmt.Errorf("%w; published before that: %s", err, strings.Join(paths, ", "))
}

// prepare completes one output in its staging folder.
func prepare(ctx context.Context, cfg Config, o Output, result *infer.Result, resume *resumption) error {
	s, err := store.For(o.Staging)
	if err != nil {
		return err
	}
	if o.exported() {
		return checkExport(ctx, s, o)
	}
	if _, err := s.Stat(ctx, o.Final); err == nil && !o.Replace {
		return outputError(o, fs.ErrExist)
	}
	if _, err := s.Stat(ctx, o.Staging); err != nil {
		return outputError(o, err)
	}
	switch o.Kind {
	case "predictions":
		if err := complete(ctx, s, cfg.Run, o, result, resume); err != nil {
			return err
		}
		return store.MarkSuccess(ctx, s, o.Staging)
	default:
		files, err := s.List(ctx, store.Literal(o.Staging))
		if err == nil && len(files) == 0 {
			err = fs.ErrNotExist
		}
		if err != nil {
			return outputError(o, err)
		}
		return store.MarkSuccess(ctx, s, o.Staging)
	}
}

// complete checks that every file of the output is there and lists them in the
// manifest.
func complete(ctx context.Context, s store.Store, run string, o Output, result *infer.Result, resume *resumption) error {
	if result == nil {
		return fmt.Errorf("%s: %s: no member reported a result", o.Kind, o.Final)
	}
	if err := takeIn(ctx, s, o, result.BadPartitions); err != nil {
		return outputError(o, err)
	}
	m := manifest{1, run, result.Model, result.Digest, result.Made, result.Account, resume.parts(result), result.BadPartitions}
	if result.Carried != nil {
		m.Add(result.Carried.Account)
	}
	for _, split := range m.Splits {
		for _, name := range split.Files() {
			if _, err := s.Stat(ctx, o.Staging+"/"+name); err != nil {
				return outputError(o, err)
			}
		}
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("work: write the manifest: %w", err)
	}
	return writeFile(ctx, s, o.Staging+"/"+manifestName, append(text, '\n'))
}

// takeIn puts the quarantine files of the partitions, which are those of the
// attempts that count, into the output, names them by the partitions, and deletes
// the others.
func takeIn(ctx context.Context, s store.Store, o Output, partitions []infer.ServedPartition) error {
	if o.Aside == "" || o.Resume != "" { // resumption.collect
		return nil
	}
	for _, p := range partitions {
		from := o.Aside + "/" + p.Quarantine.Output
		p.Quarantine.Output = infer.QuarantineFolder + "/" + infer.QuarantineName(p.Partition)
		if err := linkInto(ctx, s, from, o.Staging+"/"+p.Quarantine.Output); err != nil {
			return err
		}
	}
	return s.Remove(ctx, o.Aside)
}

// linkInto links a file to a name in a folder that it makes.
func linkInto(ctx context.Context, s store.Store, from, to string) error {
	if err := s.Mkdir(ctx, path.Dir(to)); err != nil {
		return err
	}
	return s.Link(ctx, from, to)
}

func writeFile(ctx context.Context, s store.Store, path string, data []byte) error {
	file, err := s.Create(ctx, path)
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		return errors.Join(fmt.Errorf("work: write %s: %w", path, err), file.Abort())
	}
	return file.Commit()
}

// outputError is what the user is told about an output; nil for a nil err.
func outputError(o Output, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %s exists already and is unchanged: remove it, choose another path, or ask for it to be replaced", o.Kind, o.Final)
	case errors.Is(err, fs.ErrNotExist) && o.Kind == KindExport:
		return fmt.Errorf("export: %s: the program has written nothing there: save the model to the export_dir that the program is given, or remove export_dir from the job", o.Final)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %s: the run has not written it completely: %w", o.Kind, o.Final, err)
	default:
		return fmt.Errorf("%s: %s could not be committed: %w", o.Kind, o.Final, err)
	}
}

// PhaseCommit is the phase of a run whose members have succeeded and whose outputs
// get their names.
const PhaseCommit = "commit"
