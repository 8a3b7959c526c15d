// Package feed carries rows from Spark's feed tasks to a member's program.
//
// In: streams that the supervisor accepted (unix, or TCP with TLS): feed tasks
// push Arrow chunks, the program of the member asks for them. Out: batches to
// the program, acknowledgements and credit to the feed tasks, counts to the
// supervisor. docs/protocols.md section 5 is the contract of both wires.
//
// The package never listens or dials for feed tasks, never starts a process,
// and never looks into Arrow bytes: a chunk is opaque between the feed task
// that made it and the program that reads it.
//
// Terms:
//
//   - feed: a named flow of rows (train, validation) with its own queue.
//   - stream: one feed task's connection; one attempt at one partition.
//   - chunk: consecutive rows of a partition in one Arrow record batch.
//   - accepted range: rows of a partition this member holds or held; a retried
//     task neither sends them again nor are they taken again.
//   - fence: to end an earlier attempt's stream so completely that nothing of
//     it can be accepted any more.
//   - credit: bytes that a feed task may send; granted only while the queue
//     has room.
//   - slot: a piece of memory that the member shares with its host: a feed task
//     writes a chunk there, and the program looks at it in place.
//   - quota: how many rows of a feed this member may take in all epochs.
//   - low-water mark: the steps for which every worker holds rows; step s of a
//     synchronous feed is permitted from mark s on.
//
// Where things are: frame.go and message.go are the codec; receiver.go is the
// entry; queue.go, room.go, epoch.go, handout.go and shared.go are the state of one
// feed under one lock, without any input or output; stream.go and program.go drive
// the two kinds of connection; child.go is the program's side, for programs in
// Go (the Python one is scripts/tfos/connection.py, under feed.py and replay.py).
package feed
