// Package work is what a run has to do: what each member gets, what is taken over
// from earlier runs, and what becomes of the outputs.
//
// In comes, through reserve.Work, the run's Config before there are members, the
// driver's commands that concern it, and at the end what members reported. Out
// come each member's share, the events and the end that follow from it, and the
// finished verdict: outputs under their final names, the sum of the results, why
// they are not accepted, what was kept. docs/protocols.md section 3 is the
// contract.
//
// There are five kinds of work, each a type with the methods of reserve.Work. Open
// chooses one from the configuration; nothing else asks which it is. Another kind is
// another file, and a case in Open.
//
//	             program               splits                   sparkRows
//	for          training              inference of files       inference of what Spark reads
//	share out    nothing               each member its splits   each member the request
//	commands     none                  none                     partitions
//	counts       no results            each split once          each partition's latest attempt,
//	                                                            against the rows Spark wrote
//	outputs      exports, results      predictions, manifest    predictions, manifest
//	goes on      never                 resumedSplits            resumedPartitions
//
// The fourth, exporting, gives the only member its request, publishes the SavedModel,
// and has the member's result in the verdict. It never goes on. The fifth, training,
// gives all members of a graph program the request, the checkpoint that they go on from
// and their shares of the files that they read themselves. It publishes the export, and
// makes one account of the members' results.
//
// An inference job's output begins with a base: nothing (anew), or what earlier runs
// have left of it.
//
//	exclusive.go    what one run at a time may have, and how long a run waits for it
//	model_dir.go    a training has its model_dir for itself, whatever kind it is
//	open.go         the kinds; why a run is refused though its members succeeded
//	program.go, splits.go, sparkrows.go, exporting.go, training.go
//	inference.go    what both kinds of inference share: the model, the end of the run
//	shares.go       splits to members, each about the same bytes
//	sum.go          the sum of what members report
//	base.go         what an output begins with
//	place.go        where predictions are until they are complete: staged or in place
//	survey.go       what there is of an output that is resumed, and what is missing
//	published.go    the part of the survey that looks at the published output
//	staged.go       the part that looks at what earlier runs left
//	divide.go       how input files become splits, and which have a part
//	resume.go       lock it, take finished parts over, give it back
//	partitions.go   survey and resumption where Spark reads and writes
//	bad_rows.go     judge the account of rows
//	commit.go       check outputs and publish them
//	manifest.go     complete predictions
//	export.go       what programs write to export_dir
//	staging.go      delete what is not published
//	hold.go         outputs on stores, which members upload and one run at a time writes
//	predictions.go  outputs of inference, which one run at a time writes
//
// The package knows no member but by its place, listens nowhere, starts no
// process, and touches files only through internal/store and internal/files.
//
// Terms. Part: the predictions of one split, or what Spark wrote of one partition.
// Record: a file beside a part that says what made it; a part without one does not
// count. Carried: taken over from an earlier run. Missing: to be computed by this
// one. Staging: where an output lies until it is published.
package work
