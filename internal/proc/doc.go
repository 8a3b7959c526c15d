// Package proc reads what Linux says of processes and of this machine, in proc(5).
//
// In: process ids. Out: a process's parent, state, start time, CPU time and written
// bytes ([ReadStat], [WrittenBytes]), what it waits for ([KernelWait]), its descendants
// ([Descendants]), kills of this process's control group for memory ([MemoryGroup]), and
// names that stay true: of the running kernel ([BootID]), of a pid namespace ([PIDSpace]),
// of a process ([ID]).
//
// The package starts, signals and waits for no process. [AdoptOrphans] changes the
// calling process; nothing else here changes anything.
//
// Terms:
//
//   - boot id: a random name of this boot of this kernel.
//   - pid space: boot id and pid namespace. Processes with the same pid space see each
//     other under the same pids.
//   - clock tick: the unit of times in /proc/PID/stat.
package proc
