// Package store reads and writes the files of a run, in any kind of storage.
//
// Comes in: paths as the job file spells them: paths of the local file system, file:
// URIs, and URLs of HDFS and of object stores. Goes out: bytes, listings and published outputs. For
// returns the Store of a path. Callers use only the interface, so that a new store does
// not change them.
//
// The package never parses file contents and never logs. It never leaves a partial
// file under a final name, except with Append. A folder on an object store gets its
// final name in several steps (Objects.Publish), _SUCCESS last, or is written in place
// (WriteInPlace), where a sign keeps readers out until it is complete.
//
// Calls to remote stores are repeated by one policy (retry.go), for one minute. Errors
// have the operation and the path, and no credential.
//
// Terms:
//   - Staging: the place of an output that is not complete.
//   - Publish: give a complete staging file or folder its final name, in one step.
//   - Data file: a regular file whose name is not hidden. Hidden names begin with "."
//     or, without a "=" in them, with "_", or end with "._COPYING_", as in Hadoop and
//     Spark. List returns only data files.
//
// Every Store passes the conformance suite in conformance_test.go.
package store
