package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

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
	if from.unchanged() {
		o := w.cfg.Outputs[0]
		return []reserve.Artifact{{Kind: o.Kind, Path: o.Final}}, nil
	}
	if result == nil {
		return nil, errors.New("predictions: no member reported a result")
	}
	m := manifest{1, w.cfg.Run, result.Model, result.Digest, result.Made, result.Account, from.parts(result), result.BadPartitions}
	if result.Carried != nil {
		m.Add(result.Carried.Account)
	}
	to, err := from.onto(ctx, w.place)
	if err != nil {
		return nil, err
	}
	return to.publish(ctx, m, w.bySpark)
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
		p.Quarantine.Output = infer.QuarantineFolder + "/" + infer.QuarantineName(p.Partition, "")
		if err := linkInto(ctx, s, from, o.Staging+"/"+p.Quarantine.Output); err != nil {
			return err
		}
	}
	return s.Remove(ctx, o.Aside)
}

// checkNames returns an error if a file that a manifest lists is not there.
func (m *manifest) checkNames(sizes map[string]int64) error {
	for _, name := range m.files() {
		if _, ok := sizes[name]; !ok {
			return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
	}
	return nil
}

// checkSizes returns an error if a data file has another size than it was written with.
func (m *manifest) checkSizes(sizes map[string]int64) error {
	for _, part := range m.Parts {
		for _, f := range part.Data() {
			if size, ok := sizes[f.Output]; ok && size != f.Bytes {
				return fmt.Errorf("%s has %d bytes, and %d were written", f.Output, size, f.Bytes)
			}
		}
	}
	return nil
}

// files are the names of all files that a manifest lists.
func (m *manifest) files() []string {
	var names []string
	for _, p := range m.Parts {
		names = append(names, infer.PartFiles(p)...)
	}
	for _, p := range m.BadPartitions {
		if p.Quarantine != nil {
			names = append(names, p.Quarantine.Output)
		}
	}
	return names
}

// write writes the manifest into a folder.
func (m *manifest) write(ctx context.Context, s store.Store, folder string) error {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("work: write the manifest: %w", err)
	}
	return store.WriteFile(ctx, s, folder+"/"+manifestName, append(text, '\n'))
}
