// Package jsonl reads and writes JSON lines: one object a line.
//
// Comes in: a split of a file. Goes out: records; without a declared schema
// columns are the keys of sampled rows, in the order in which they are met. What
// is no string is a string's text where columns are strings, as for Spark.
//
// It never reads one JSON text over several lines: the error says how to make
// lines of it.
package jsonl
