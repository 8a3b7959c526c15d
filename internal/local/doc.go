// Package local drives a run on this machine, without Spark.
//
// Comes in: the launcher's plan.json. Goes out: lines "@tfos {json}" on standard output
// (docs/protocols.md section 2), as the Spark application writes them. The verdict is
// the last line. The reservation server runs in this process. One `tfos-node run`, the
// only member, is its child. Feed tasks (internal/feed/task) are goroutines of it.
//
// If the launcher dies, the kernel sends this process SIGTERM, and the server stops the
// member. If this process dies, the member sees that its standard output has no reader,
// as it does when an executor dies.
//
// The verdict is the reservation server's. The package never reads a job file or a
// model, and rows only in feed tasks.
//
// Where things are: run.go handles the server's events, feeds.go sends the rows of a
// training, member.go starts the member, plan.go reads the plan.
package local
