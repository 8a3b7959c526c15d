// Package jsontext reads JSON text into Arrow builders and writes arrays as
// JSON text. Package jsonl uses it for the objects of rows, package csv for
// lists in cells.
//
// Comes in: the bytes of one JSON text (Text), or an array. Goes out: values
// appended to a builder (Append), or text appended to bytes (Encode).
//
// It reads no file and splits no lines. It does not change the bytes of a Text.
package jsontext
