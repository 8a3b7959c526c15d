// Package node supervises one member of a run's cluster on an executor.
//
// Comes in: one line of JSON (Assignment) on standard input, messages of the
// reservation server, rows from feed tasks, frames from the member's program.
//
// Goes out:
//   - the program's process with its environment: TF_CONFIG, TFOS_SOCKET, TFOS_RUN, the
//     cluster's hosts in no_proxy;
//   - rows and permissions for the program;
//   - reports to the reservation server;
//   - a log file;
//   - an exit status for Spark: 0 or 75 (ExitDone, ExitRetry).
//
// It never loads TensorFlow. It never writes credentials to disk, argv or the
// environment. It never decides whether a run has failed. It never starts a child a
// second time: another generation is another `tfos-node run`.
//
// # Processes
//
//	executor (JVM) ─ tfos-node run ─┬─ tfos-node guard ─ program ─ its children
//	                     supervisor │     group leader
//	                                └─ tfos-node upload, while a model_dir is on a store
//
// Spark does not end a piped process when its task is cancelled or the executor dies.
// A supervisor can be killed without a message. Therefore each process in the chain is
// watched by a neighbour:
//
//   - The supervisor notices the executor's end at its standard output, which then has
//     no reader (executor.go). It notices the driver's end by its lease.
//   - The guard notices the supervisor's end at its own standard input. It then kills
//     all its descendants and removes the work folder. The guard also makes the folder,
//     so that the folder never exists without an owner.
//   - The supervisor notices the guard's end at the pipe of the guard's descriptor 3.
//     It then does the guard's work. Both processes are child subreapers: double forks
//     and setsid do not leave their tree.
//
// The normal end works in the same way: the supervisor closes the guard's standard
// input. Every run therefore tests the code that cleans up after a kill.
//
// # A member's life
//
// newMember acquires a port, a guard, a log and sockets on the executor, and
// registers. live then waits for the cluster, starts the child, and waits for the
// first of: the child's end, Stop, a lost lease, the executor's end, SIGTERM. If the
// child ended by itself, the member reports that. It stays registered, in phase "ended"
// or "failing", until the server sends Stop. After Stop or SIGTERM the child has a grace
// (5 s) between SIGTERM and SIGKILL. After a lost lease or the executor's end it has
// none.
//
// The exit status is 0 if another start would not help: success, a failed program
// (reported), Stop, a lost lease, a final rejection, an unreadable assignment. It is 75
// if the member had no place yet and may get one elsewhere or later: Rejected{retry}, no
// work folder, no port, a reservation server that this executor cannot reach.
//
// Terms:
//
//   - member: one task of the TensorFlow cluster, by job name and task index.
//   - supervisor, guard: the two processes of this package.
//   - child: the process that the guard starts. Its program runs in it.
//   - work folder: a temporary folder with a short path, for the member's sockets.
//   - files folder: the folder where Spark put the job's files.
//   - program's folder: the working directory of a Python program, in the files folder.
//     An engine runs in the files folder itself.
//   - grace: the time between SIGTERM and SIGKILL.
package node
