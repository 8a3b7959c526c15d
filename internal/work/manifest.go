package work

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"tfos/internal/infer"
	"tfos/internal/reserve"
	"tfos/internal/store"
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
	Parts []infer.Part `json:"splits"` // of Made's kind
	// BadPartitions are those of what Spark has written that have bad rows, where
	// its partitions are not among Splits.
	BadPartitions []infer.ServedPartition `json:"bad_partitions,omitempty"`
}

// UnmarshalJSON reads the parts as Made's kind has them.
func (m *manifest) UnmarshalJSON(text []byte) error {
	type plain manifest
	read := struct {
		*plain
		Parts json.RawMessage `json:"splits"`
	}{plain: (*plain)(m)}
	err := json.Unmarshal(text, &read)
	switch {
	case err != nil:
	case m.Made.Kind == infer.Partitions:
		m.Parts, err = readParts[infer.PartitionResult](read.Parts)
	default:
		m.Parts, err = readParts[infer.SplitResult](read.Parts)
	}
	return err
}

func readParts[P infer.Part](text []byte) ([]infer.Part, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var list []P
	err := json.Unmarshal(text, &list)
	var parts []infer.Part
	for _, p := range list {
		parts = append(parts, p)
	}
	return parts, err
}

// publish gives the predictions their name, with all that the manifest lists.
func (w *inference) publish(ctx context.Context, result *total, from base) ([]reserve.Artifact, error) {
	outputs := slices.Clone(w.cfg.Outputs)
	for i, o := range outputs {
		if from.unchanged() {
			return []reserve.Artifact{{Kind: o.Kind, Path: o.Final}}, nil
		}
		var err error
		if outputs[i], err = from.onto(ctx, o); err != nil {
			return nil, err
		}
	}
	return commit(ctx, outputs, func(ctx context.Context, s store.Store, o Output) error {
		return complete(ctx, s, w.cfg.Run, o, result, from)
	})
}

// complete checks that every file of the output is there and lists them in the
// manifest.
func complete(ctx context.Context, s store.Store, run string, o Output, result *total, from base) error {
	if result == nil {
		return fmt.Errorf("%s: %s: no member reported a result", o.Kind, o.Final)
	}
	if err := takeIn(ctx, s, o, result.BadPartitions); err != nil {
		return outputError(o, err)
	}
	m := manifest{1, run, result.Model, result.Digest, result.Made, result.Account, from.parts(result), result.BadPartitions}
	if result.Carried != nil {
		m.Add(result.Carried.Account)
	}
	for _, p := range m.Parts {
		for _, name := range infer.PartFiles(p) {
			if _, err := s.Stat(ctx, o.Staging+"/"+name); err != nil {
				return outputError(o, err)
			}
		}
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("work: write the manifest: %w", err)
	}
	return store.WriteFile(ctx, s, o.Staging+"/"+manifestName, append(text, '\n'))
}

// takeIn puts the quarantine files of the partitions, which are those of the
// attempts that count, into the output, names them by the partitions, and deletes
// the others.
func takeIn(ctx context.Context, s store.Store, o Output, partitions []infer.ServedPartition) error {
	if o.Aside == "" || o.Resume != "" { // resumedPartitions.collect
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
