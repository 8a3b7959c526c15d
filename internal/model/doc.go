// Package model reads trained models without TensorFlow: SavedModels, and
// checkpoints with the .meta file of their graph. It says which tag sets and
// signatures there are, which tensors a graph has and which variables a
// checkpoint, and whether a table's columns fit the tensors.
//
// Comes in: a model's path (Source, Describe); an Arrow schema; the column
// mappings of a job. Goes out: a Signature, whether it is one of the model's or
// made of tensors that the mappings name (MetaGraph.Choose); a Binding that says
// which column feeds which tensor, which output becomes which column, and which
// columns are kept (Check); the same as lines for people (Contract); and a Program,
// which says what TensorFlow does to make the model ready.
// It never loads TensorFlow, never touches rows and never writes.
//
// Terms. A tag set names one MetaGraph of a SavedModel (nearly always
// {"serve"}); a .meta file has one graph without tags. A signature is a named function of that MetaGraph; an alias is
// the name of one of its inputs or outputs, as against the tensor's name in the
// graph ("serving_default_x:0"). A checkpoint's prefix is its path without
// .index. The row shape of a tensor is its shape without
// the first dimension, which counts rows.
//
// Errors say what to do next and carry an exit code (method ExitCode):
// ModelError 2, MismatchError, RowError and RowErrors 6.
package model
