// Package task is the feed task without Python: one partition's rows, in Arrow
// chunks, to all members.
//
// In: an order (who the members are, the run's credentials) and either the record
// batches that Spark has made of rows, over a connection of `tfos-node worker`, or
// which splits of files the task is to read, in a line for `tfos-node feed`. Out:
// chunks to members by docs/protocols.md section 5, and JSON for the driver
// (Result).
//
// It is scripts/tfos/feeder.py in Go, and decides as that does: which rows are
// still to be sent, how they are cut, and which member gets a chunk. Tests run
// both through the scenarios of testdata/decisions.json, and against real members
// (scripts/tests/test_feeder.py). docs/architecture.md says why there are two.
// scripts/tfos/pipe.py is the driver's half.
//
// The package never starts a process, never writes a file, and does not look
// into Arrow columns: it cuts them by rows.
//
// Where things are: task.go is the partition's way from order to result;
// worker.go takes tasks from Spark in the place of its Python workers, line.go and
// files.go read the order and the rows of a partition of files, plan.go shares
// files out beforehand (`tfos-node splits`, on the driver), share.go among members that
// read their own; epochs.go sends files from within a process; batch.go cuts, members.go
// chooses and waits, link.go speaks to one member, spans.go says which rows are
// still to be sent.
package task
