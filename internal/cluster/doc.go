// Package cluster asks cluster managers about Spark applications, and ends them.
//
// In: the Spark master of a job and its settings. Out: a [Manager]. [Open] is the only
// place that chooses by the kind of master. A Manager says whether it answers (Reach),
// which application a run has (Find), how that is (State) and how its executors ended
// (Executors), and it ends applications (Kill).
//
// A manager that has logs of what is gone is a [LogReader]. On YARN they may be files of a
// store.
//
// The package starts no process: spark-submit submits. It never reads a job file and
// writes nothing. The exit status of spark-submit is not used here, because it says 0 for
// a killed driver on Kubernetes (SPARK-26365).
//
// A manager's answer becomes a verdict in one place: [State.Verdict]. Its table has the
// exit code of each [Cause], and is the same for all managers.
//
// Terms:
//   - Manager: a standalone master, YARN's ResourceManager, Kubernetes' API server. Local
//     masters and Mesos have none that answers ([Unasked]).
//   - Application: Spark's, with the id that the manager gave it.
//   - Key: the word by which a run's application is found before its id is known: a tag on
//     YARN, a label on Kubernetes. See [RunKey].
//   - Words: the text in which a manager says why. It is for people only: [Cause] decides.
package cluster
