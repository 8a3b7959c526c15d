// Package export makes a SavedModel of a checkpoint and a graph.
//
// Comes in: a Request, which names the graph, the checkpoint and the signatures
// (internal/model works out what the SavedModel holds), and a function that loads a
// model with TensorFlow. Goes out: the SavedModel in the request's folder, which is a
// staging folder, and a Result that says what it holds and what proved it.
//
// Files that the export has unchanged are copied: a link would change with the source.
// The package computes no value of a variable, and publishes nothing.
//
// Terms. Proof: the folder is loaded as inference loads it, and every signature runs
// once on zeros. A signature that cannot run on zeros (it parses records, say) is only
// loaded.
package export
