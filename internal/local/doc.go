// Package local drives a run on this machine, without Spark.
//
// Comes in: the launcher's plan.json. Goes out: lines "@tfos {json}" on standard output
// (docs/protocols.md section 2), as the Spark application writes them. The verdict is
// the last line. The reservation server runs in this process. One `tfos-node run`, the
// only member, is its child.
//
// If the launcher dies, the kernel sends this process SIGTERM, and the server stops the
// member. If this process dies, the member sees that its standard output has no reader,
// as it does when an executor dies.
//
// The verdict is the reservation server's. The package never reads a job file, a row or
// a model.
package local
