// Package job turns a job file into a plan.
//
// In: one YAML file, overrides (`--set a.b=c`) or flags, and for the plan an
// Environment (run id, folders, the Python in use). Out: a Spec, all faults of
// the job at once, a Plan, the spark-submit command and the text of a dry run.
//
// Stages, each complete before the next begins:
//
//	decode        bytes -> Spec: unknown keys, double keys, wrong types
//	canonicalize  defaults, the job's name, absolute paths
//	validate      rules over keys, and what is not supported yet; warnings apart
//	check         looks at the file system: does the program exist, is the output free
//	plan          members, executors, Spark settings, configurations of the other rooms
//
// Load does the first three, Check the fourth, MakePlan the fifth. Everything
// but Load (which reads the job file) and Check is pure: no clock, environment,
// file system or network; equal arguments give equal bytes.
//
// The package never starts a process, never talks to Spark and never writes a
// file. It fills the Config types of the rooms that consume them.
//
// Terms. A key is a path in the job file such as `shuffle.buffer`. A fault is a
// broken rule, with the exit code that it stands for; a warning breaks none. A
// member is one place in the cluster (ps, chief, worker, evaluator). Staging is
// the hidden sibling folder into which an output is written before it gets its
// final name.
package job
