// Package task is the feed task without Python: one partition's rows, in Arrow
// chunks, to all members.
//
// In: standard input of `tfos-node feed`, which Spark's pipe starts once a
// partition: the order (who the members are, the run's credentials) and, as
// lines of base64 (lines.go), the record batches or which splits of files the
// task is to read. Out: chunks to members by docs/protocols.md section 5, and
// one line of JSON for the driver (Result).
//
// It is scripts/tfos/feeder.py in Go, and decides as that does: which rows are
// still to be sent, how they are cut, and which member gets a chunk. Tests run
// both through the same scenarios (scripts/tests/test_feeder.py). scripts/tfos/pipe.py
// is the driver's half.
//
// The package never starts a process, never writes a file, and does not look
// into Arrow columns: it cuts them by rows.
//
// Where things are: task.go is the partition's way from order to result;
// lines.go reads what is piped, files.go reads files, plan.go shares them out
// beforehand (`tfos-node splits`, on the driver); batch.go cuts, members.go
// chooses and waits, link.go speaks to one member, spans.go says which rows are
// still to be sent.
package task
