// Command tfos turns a job file into a Spark application, and the application's
// end into an exit code.
//
// In: a command line, a job file (or flags, for inference), tool settings
// (TFOS_* and settings.yaml). Out: a scratch folder during the run, a record
// folder, a report or a verdict on standard output, messages on standard error,
// and an exit code of exit.Meanings.
//
// It never runs a job itself: internal/job decides what to run, internal/launch
// runs spark-submit and judges the run. Only main.go uses os.Exit, os.Args and
// os.Std*. The rest receives them through cli.
package main
