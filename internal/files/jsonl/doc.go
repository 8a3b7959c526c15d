// Package jsonl reads and writes JSON lines: one object per line.
//
// Comes in: a split of a file. Goes out: records. Without a declared schema the
// columns are the keys of sampled rows, in the order in which they first occur.
// In a column of strings another value is read as its JSON text, as Spark does.
//
// It never reads one JSON text over several lines. The error then says how to
// convert the file.
package jsonl
