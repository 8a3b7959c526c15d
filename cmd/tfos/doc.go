// Command tfos turns a job file into a Spark application and its end into an
// exit code.
//
// In: a command line, a job file (or flags, for inference), tool settings
// (TFOS_* and settings.yaml). Out: a run's scratch folder while it runs, its
// record folder, a report or a verdict on standard output, talk on standard
// error, and one of the exit codes of exit.Meanings.
//
// It never runs a job itself: internal/job decides what is to be run,
// internal/launch runs spark-submit and judges. Only main.go touches
// os.Exit, os.Args and os.Std*; everything else gets them through cli.
package main
