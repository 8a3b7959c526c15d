// Package launch runs one Spark application for a job and says truthfully how
// it ended.
//
// In: the argument vector of spark-submit, an environment, a scratch folder
// and a record folder. Out: a [record.Verdict], with the exit code that tfos ends
// with. Between them it finds Spark and Python ([FindPython], [FindSpark]),
// looks whether the master answers ([Preflight]), starts spark-submit in a
// process group of its own ([Run]), reads the driver's "@tfos {json}" lines
// (docs/protocols.md section 2), and leaves neither process nor temporary
// folder behind.
//
// It never reads a job file, never talks to members, and never judges a run by
// the exit status of spark-submit alone: that status is 0 for failed
// applications and 1 for orderly ones often enough.
//
// Terms: the driver is the Python program of the Spark application; the group
// is spark-submit, the driver, `tfos-node reserve` and, under local masters,
// the executors; the scratch folder is removed at the end of the run; the
// record folder is kept.
package launch
