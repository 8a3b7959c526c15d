// Package infer turns splits of input into files of predictions.
//
// Comes in: a Request of one of two kinds (request.go), and a Model that computes one
// batch.
// Goes out: for each split one file of the request's format in its output
// folder, part-00007.parquet, with the kept columns first and the outputs after
// them in alias order, rows in the split's order; and a Result that a manifest
// can be made of. Where the request wants it, each finished file has a Record of
// what made it, from which a later run can tell that it need not make it again
// (Identity, Stamp; table.go where Spark reads and writes).
// Rows that cannot be predicted are left out and counted. If the request wants it,
// they are put into a file of _quarantine. bad_rows.go defines what becomes of them,
// bad_row_search.go finds them. Serve does the same with rows that Spark's tasks send
// and take back predicted: its only files are those of bad rows.
// It knows nothing of TensorFlow (internal/engine implements Model), of Spark
// or of other members, and it commits nothing: the output folder is a staging
// folder, and internal/work publishes it.
//
// A file gets its name only when it is complete and on disk; after an error, or
// when ctx ends, no file of an unfinished split remains, and the finished ones
// stay.
//
// A piece of input goes through a pipeline (pipeline.go) of three goroutines: one reads
// from a source, one computes (predict.go), one writes into a sink. split.go has the
// source and sink of a split, stream.go those of one of Spark's tasks. Between the
// goroutines are channels of pipelineDepth batches, or of StreamWindow records. As many
// splits run side by side as there are processors to run them. So at most
// splits × (2 × pipelineDepth + 3) batches are in memory, beside the row groups
// that the format's reader holds.
//
// Errors carry an exit code (ExitCode): 2 the model is not there, 6 the data
// does not fit it or cannot be read, 7 the output cannot be written, 5 all else.
package infer
