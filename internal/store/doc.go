// Package store reads and writes the files of a run, wherever they lie.
//
// In come paths as the job file spells them: absolute paths, file:// URIs and,
// in time, those of HDFS and object stores. Out go bytes, listings and
// published outputs. For picks the Store of a path; callers use nothing but
// the interface, so that they need no change when a store is added.
//
// The package never parses what it carries, never logs, and never leaves half
// a file or half a folder under a final name.
//
// Terms. Staging: where an output is written while it is not complete. Publish:
// give a complete staging file or folder its final name, in one step. Data
// file: a regular file whose name begins with neither "_" nor ".", as Hadoop
// and Spark have it; List returns only those.
//
// Every Store passes the one conformance suite in conformance_test.go.
package store
