// Package node supervises one member of a run's cluster on an executor.
//
// In: one line of JSON (Assignment) on standard input, the reservation server's
// word, rows from feed tasks, frames from the member's program. Out: the
// program's process with its environment (TF_CONFIG, TFOS_SOCKET, TFOS_RUN, the
// cluster's hosts in no_proxy),
// rows and permissions for it, reports to the reservation server, a log file,
// and an exit status for Spark: 0 or 75 (ExitDone, ExitRetry).
//
// It never loads TensorFlow, never writes credentials to disk, argv or the
// environment, never decides whether a run has failed, and never starts a child
// a second time: another generation is another `tfos-node run`.
//
// # Processes
//
//	executor (JVM) ─ tfos-node run ─ tfos-node guard ─ program ─ its own
//	                     supervisor     group leader
//
// Spark ends a piped process neither when its task is cancelled nor when the
// executor dies, and a supervisor can be killed without a word. So every link
// of the chain is watched by the one before or behind it:
//
//   - The supervisor notices the executor's end by its standard output, which has no
//     reader any more (executor.go), and the driver's by its lease.
//   - The guard notices the supervisor's end by its standard input, kills all
//     that descends from it, and removes the work folder. The guard also made the
//     folder: there is no moment in which the folder exists without an owner.
//   - The supervisor notices the guard's end by its descriptor 3 and does the
//     guard's work. Both are child subreapers, so that double forks and setsid
//     do not leave the tree.
//
// The normal end is the same: the supervisor closes the guard's standard input. Every
// run therefore tests the code that cleans up after a kill.
//
// # A member's life
//
// newMember acquires a port, a guard, a log and sockets on the executor, and
// registers. live then waits for the cluster, starts the child, and waits for the
// first of: the child's end, Stop, lease lost, executor gone, SIGTERM. A child
// that ended by itself is reported, and the member stays registered, in
// phase "ended", until the server says Stop. Stop and SIGTERM leave the child
// a grace (5 s) between SIGTERM and SIGKILL; a lost lease or executor does not.
//
// Which exit status: 0 when another start would be of no use: success, a failed
// program (permanent, reported), Stop, a lost lease, Rejected for good, an
// assignment that cannot be read. 75 when the member never had a place and
// might have one elsewhere or later: Rejected{retry}, no work folder, no port,
// a reservation server that this executor cannot reach.
//
// Terms:
//
//   - member: one task of the TensorFlow cluster, by job name and task index.
//   - supervisor, guard: the two processes of this package.
//   - child: the process that the guard starts; its program: what runs in it.
//   - work folder: a short-named temporary folder with the member's sockets.
//   - files folder: where Spark put the job's files; the child's directory.
//   - grace: the time between SIGTERM and SIGKILL.
package node
