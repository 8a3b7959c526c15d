package model

import "strings"

// Exportable tells whether an export of the graph can be made when it is trained. If not,
// the error is a *ModelError.
func (t *Training) Exportable() error {
	switch {
	case !strings.HasSuffix(t.Path, metaSuffix): // a SavedModel
		return nil
	case len(t.graph.Signatures) == 0:
		return &ModelError{Path: t.Path, Problem: "the graph has no signature, which a SavedModel needs",
			Remedy: "leave export_dir out, and declare one with tfos export CHECKPOINT --export-dir … --inputs … --outputs … when it is trained"}
	case !t.graph.restores():
		return &ModelError{Path: t.Path, Problem: "its graph has no operation that restores variables, which a SavedModel needs",
			Remedy: "write it with tf.compat.v1.train.Saver.save, or leave export_dir out"}
	}
	return nil
}

// restores tells whether the graph has an operation that restores its variables.
func (g *MetaGraph) restores() bool {
	saver := g.pb.GetSaverDef()
	return saver.GetRestoreOpName() != "" && saver.GetFilenameTensorName() != ""
}
