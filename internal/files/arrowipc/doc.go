// Package arrowipc reads both formats of Arrow IPC, file and stream, and writes
// the file format.
//
// Comes in: a split of a file. Goes out: the record batches that begin in it,
// cut into records of the wanted size, in plain types. The library decodes a
// batch. This package finds the messages, and checks what the library does not
// check (messages.go, flatbuf.go, check.go).
//
// Sizes in a damaged file never cause an unbounded allocation.
package arrowipc
