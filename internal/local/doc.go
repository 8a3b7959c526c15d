// Package local drives a run on this machine, without Spark.
//
// In: the launcher's plan.json. Out: "@tfos {json}" lines on standard output
// (docs/protocols.md section 2), as the Spark application writes them, the
// verdict last. Between them the reservation server runs in this process, and
// one `tfos-node run`, its member, as a child.
//
// Who notices whose end: the kernel sends this process SIGTERM when the
// launcher dies, and the server then stops the member; the member sees the end
// of this process at its standard output, as it sees an executor's.
//
// It judges nothing: the verdict is the reservation server's. It never reads a
// job file, a row or a model.
package local
