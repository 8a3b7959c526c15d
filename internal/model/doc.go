// Package model reads SavedModels without TensorFlow: which tag sets a folder
// holds, which signatures a graph has, and whether a table's columns fit a
// signature's tensors.
//
// Comes in: a SavedModel folder; an Arrow schema; the column mappings of a job.
// Goes out: signatures, and a Binding that says which column feeds which
// tensor, which output becomes which column, and which columns are kept.
// It never loads TensorFlow, never touches rows and never writes.
//
// Terms. A tag set names one MetaGraph of a SavedModel (nearly always
// {"serve"}). A signature is a named function of that MetaGraph; an alias is
// the name of one of its inputs or outputs, as against the tensor's name in the
// graph ("serving_default_x:0"). The row shape of a tensor is its shape without
// the first dimension, which counts rows.
//
// Errors say what to do next and carry an exit code (method ExitCode):
// ModelError 2, MismatchError and RowError 6.
package model
