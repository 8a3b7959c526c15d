// Package launch runs one Spark application for a job and says truthfully how
// it ended.
//
// In: the argument vector of spark-submit, an environment, a scratch folder and
// a record folder. Out: a [record.Verdict] with the exit code of tfos. In
// between it finds Python and Spark ([FindPython], [FindSpark]). It starts
// spark-submit in a process group of its own ([Run]) and reads the driver's
// "@tfos {json}" lines (docs/protocols.md section 2). When a run has failed, it
// asks the cluster manager (internal/cluster). It leaves no process and no
// temporary folder behind.
//
// A run in cluster mode has its driver in the cluster. There spark-submit only submits it
// ([Submit]), and the run is followed by its record and by the cluster manager ([Follow]), by
// the launcher that has submitted it or by another one. Where the record is, and what is to be
// asked, is in [ClusterRun].
//
// It never reads a job file and never talks to members. It never judges a run
// by the exit status of spark-submit alone: that status is often 0 for failed
// applications and 1 for orderly ones.
//
// Terms: the driver is the Python program of the Spark application. The group
// is spark-submit, the driver, `tfos-node reserve` and, with local masters, the
// executors. The scratch folder is removed at the end of the run. The record
// folder is kept, and so are the unpacked binaries, for the next run.
package launch
