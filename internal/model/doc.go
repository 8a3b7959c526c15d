// Package model reads trained models without TensorFlow: SavedModels, frozen
// graphs, and checkpoints with the .meta file of their graph. It lists the tag
// sets and signatures of a model, the tensors of a graph and the variables of a
// checkpoint. It checks whether a table's columns fit the tensors.
//
// Comes in: a model's path (Source, Describe), an Arrow schema, and the column
// mappings of a job.
//
// Goes out:
//   - a Signature: one of the model's, or one made of tensors that the mappings
//     name (MetaGraph.Choose);
//   - a Binding: which column feeds which tensor, which output becomes which
//     column, and which columns are kept (Check);
//   - the same as lines for people (Contract);
//   - a Program: what TensorFlow runs to make the model ready (Source.Program).
//
// It never loads TensorFlow, never reads rows and never writes files.
//
// Terms:
//   - A tag set names one MetaGraph of a SavedModel, nearly always {"serve"}. A
//     .meta file has one graph, without tags.
//   - A signature is a named function of a MetaGraph.
//   - An alias is the name of a signature's input or output. The tensor has
//     another name in the graph ("serving_default_x:0").
//   - A checkpoint's prefix is its path without .index.
//   - The row shape of a tensor is its shape without the first dimension, which
//     counts rows.
//
// Errors say what to do next. Method ExitCode gives the exit code: 2 for
// ModelError and ConstantError, 6 for MismatchError and RowError. RowErrors
// unwraps to its first RowError.
package model
