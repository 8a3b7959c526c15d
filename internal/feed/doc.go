// Package feed carries rows from Spark's feed tasks to a member's program.
//
// In: connections that the supervisor accepted (unix, or TCP with TLS). Feed
// tasks push Arrow chunks; the program of the member asks for them. Out: chunks
// to the program, acknowledgements and credit to the feed tasks, counts to the
// supervisor. docs/protocols.md section 5 is the contract of both wires.
//
// The package never listens, never dials a feed task, never starts a process,
// and never looks into Arrow bytes: only the feed task that made a chunk and the
// program that reads it do.
//
// Terms:
//
//   - feed: a named flow of rows (train, validation) with its own queue.
//   - stream: one feed task's connection; one attempt at one partition.
//   - chunk: consecutive rows of a partition in one Arrow record batch.
//   - accepted range: rows of a partition this member holds or held. A retried
//     task does not send them again, and they are not taken again.
//   - fence: to end an earlier attempt's stream so completely that nothing of
//     it can be accepted any more.
//   - credit: bytes that a feed task may send; granted only while the queue
//     has room.
//   - slot: a piece of memory that the member shares with its host. A feed task
//     writes a chunk there, and the program reads it in place.
//   - quota: how many rows of a feed this member may take in all epochs.
//   - low-water mark: the steps for which every worker holds rows; step s of a
//     synchronous feed is permitted when the mark is s or more.
//
// Where things are:
//
//   - frame.go and message.go are the codec.
//   - receiver.go is the supervisor's entry.
//   - stream.go and program.go read and write the two kinds of connection;
//     request.go is what programs may ask for.
//   - queue.go is one feed's state under its lock, intake.go what feed tasks ask
//     of it, handout.go what programs ask of it. It makes no system call while
//     the lock is held.
//   - credit.go, slots.go, epochs.go, ranges.go, steps.go and pace.go are the
//     parts of that state, each with its invariants. They know no lock and do no
//     input or output.
//   - memory.go (shared memory) and cache.go (the file of the first epoch) do
//     make system calls, without the queue's lock. outbox.go holds what a feed
//     task is to be sent until its stream writes it.
//   - child.go and chunks.go are the program's side, for programs in Go: what it
//     reports, and a feed's chunks. internal/feed/batches makes batches of them.
//     The Python side is scripts/tfos/connection.py, under feed.py and replay.py.
//   - handover.go gives a predict task's connection to the engine.
package feed
