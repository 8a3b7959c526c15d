// Package jsontext reads JSON text into Arrow builders and writes arrays as JSON
// text. Package jsonl has a row's object in it, package csv the lists in cells.
//
// Comes in: the bytes of one JSON text (Text), or an array. Goes out: values
// appended to a builder (Append), or text appended to bytes (Encode).
//
// It reads no file and splits no lines. Text is changed where strings have
// escapes.
package jsontext
