// Package train trains a graph program on one member of a cluster.
//
// Comes in: a Request (internal/work hands it to members), the member's rows in
// batches, and a Graph, which runs TensorFlow. Goes out: checkpoints and event files in
// model_dir, a SavedModel in the staging folder of export_dir, reports of progress, and
// a Result.
//
// Where things are: request.go and result.go are what a member gets and reports, graph.go
// what it works with; run.go takes the steps, checkpointing.go saves and evaluates,
// finish.go ends; evaluator.go is the evaluator; checkpoints.go is the folder of
// checkpoints, early_stop.go what the evaluator tells the chief there.
//
// The package knows no Spark, no feed protocol and no TensorFlow.
//
// Terms. Step: one run of the train signature, which is one update. Trainer: a member
// that steps, which is a worker or a chief. Chief: the trainer that initialises,
// checkpoints and exports.
package train
