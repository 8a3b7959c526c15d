// Package arrowipc reads both forms of Arrow IPC, file and stream, and writes the
// file form.
//
// Comes in: a split of a file. Goes out: the record batches that begin in it, cut
// to the size that is asked for, in plain types. The library decodes a batch; its
// messages are found, and what it would take on trust is checked, here
// (messages.go, flatbuf.go, check.go).
//
// It never allocates what a damaged file says without a bound.
package arrowipc
