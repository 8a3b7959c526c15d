// Package job turns a job file into a plan.
//
// In: one YAML file, overrides (`--set a.b=c`) or flags, and for the plan an
// Environment (run id, folders, the Python in use). Out: a Spec, all faults of
// the job at once, a Plan, the spark-submit command and the text of a dry run.
//
// The files have three groups, by name:
//
//	load_*.go   the job file: bytes -> Spec
//	plan*.go    the plan: Spec and Environment -> Plan, argv, explanation
//	check*.go   looks at models, data and outputs before anything is submitted
//
// Stages, each complete before the next begins:
//
//	decode        bytes -> Spec: unknown keys, double keys, wrong types
//	canonicalize  defaults, the job's name, absolute paths
//	validate      rules over keys, and what is not supported yet; warnings apart
//	check         looks at the file system: does the program exist, is the output free
//	plan          members, executors, Spark settings, configurations of the other rooms
//
// Load does the first three, Check the fourth, MakePlan the fifth. The groups load
// and plan are pure: no clock, environment, file system or network; equal arguments
// give equal bytes. Only load_read.go is not: it reads the job file and asks for the
// current folder. TestPurity follows every call of the pure files, in this package
// and in the rooms that it imports.
//
// The groups are one package because they share a Spec's source: which keys are
// given, and the line of each. Rules and checks both report faults with it.
//
// The package never starts a process, never talks to Spark and never writes a
// file. It fills the Config types of the rooms that consume them.
//
// Terms. A key is a path in the job file such as `shuffle.buffer`. A fault is a
// broken rule, with the exit code that it stands for; a warning breaks none. A
// member is one place in the cluster (ps, chief, worker, evaluator). A Where is
// what members run on: this machine, or one of Spark's masters. Staging is the
// hidden sibling folder into which an output is written before it gets its
// final name.
package job
